"""Commands that change which classes are live, and look at them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from components.wording import counted
from flows.commands.labels import show_doubtful
from flows.commands.shared import (
    WorkspaceOption,
    begin_prefect,
    checked_workspace,
    expect_prefect,
    keep_online,
    live_versions,
    live_workspace,
    quiet_prefect,
)

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def classes(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the classes that are live, and where each comes from."""
    from components.live.listing import live_class_rows

    place, known = live_versions(workspace)
    for row in live_class_rows(known, place.ledger):
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            since = f", since {row['since'][:16].replace('T', ' ')} UTC" if row["since"] else ""
            more = f", {row['waiting']} more wait for consolidation" if row["waiting"] else ""
            typer.echo(f"{row['class']}  ({row['kind']}, {counted(row['photos'], 'photo')}{since}{more})")


@commands.command("add-class")
def add_class(
    name: Annotated[str, typer.Argument(help="What it is called, in words.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Photos of it, or folders with them.")],
    force: Annotated[bool, typer.Option("--force", help="Overrule the gate; the ledger says so.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Add a class to what is live, or photos to an added one; no weight is trained, and it can be taken back."""
    place = checked_workspace(workspace)
    _check_arrival(name, images)
    from components.live.arrivals import add
    from components.live.telling import explain_outcome, outcome_json
    from flows.console import console

    outcome = add(place, {name: images}, force=force)
    keep_online(place)
    for refused in outcome.refused:
        console.print(f"  not used: {refused.on}: {refused.what}", markup=False, soft_wrap=True)
    if as_json:
        typer.echo(json.dumps(outcome_json(outcome), ensure_ascii=False))
    else:
        typer.echo(explain_outcome(outcome))


@commands.command()
def review(
    top: Annotated[int, typer.Option(min=1, help="How many photos.")] = 20,
    into: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Copy them there, into a folder per likely class.")
    ] = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="Instead: labels of trained photos that are probably wrong.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Say which photos of the pool are most worth a label: uncertain, unlike each other, and like many others."""
    if labels:
        show_doubtful(checked_workspace(workspace), live_workspace(workspace), top, as_json)
        return
    from components.live.review import into_folders
    from components.live.review import review as next_photos
    from flows.console import console

    place = checked_workspace(workspace)
    items = next_photos(live_workspace(workspace), place, top)
    if not items:
        console.print("  the pool has no photo left to review; more: shotline pool add FOLDER", style="dim")
    begun = not items or bool(items[0].likely)  # without one nothing is trained yet
    if into is not None:
        into_folders(items, into)
        then = (
            "move what lies in the wrong folder, then the folders into the inbox, or: shotline add-class NAME FOLDER"
            if begun
            else "sort them into a folder per class, then: shotline train FOLDER"
        )
        console.print(
            f"  {counted(len(items), 'photo')} copied to {into}; {then}", style="dim", markup=False, soft_wrap=True
        )
    elif not begun:
        console.print(
            "  nothing is trained yet: these are typical of the pool and unlike each other, so begin with them "
            "(--into FOLDER copies them)",
            style="dim",
            soft_wrap=True,
        )
    elif items and not as_json:
        console.print(
            "  label them on the page's tab Review (shotline serve), or with --into FOLDER, which copies them into a "
            "folder per likely class",
            style="dim",
            soft_wrap=True,
        )
    for item in items:
        if as_json:
            typer.echo(json.dumps({**item.to_json(), "path": os.path.relpath(item.path)}, ensure_ascii=False))
        else:
            typer.echo(_reviewable(item))


@commands.command()
def watch(
    inbox: Annotated[Path, typer.Argument(help="A folder with a folder per class, into which photos are dropped.")],
    announce: Annotated[
        bool, typer.Option("--announce", help="Leave the photos, and tell `shotline listen` by a Prefect event.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Add classes from an inbox as photos arrive there, until Ctrl-C."""
    quiet_prefect()
    from flows.console import tell
    from flows.watch import watch_workspace

    watch_workspace(checked_workspace(workspace), inbox, tell, announce=announce)


@commands.command()
def listen(
    inbox: Annotated[Path, typer.Argument(help="The inbox that `shotline watch --announce` looks at.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the flow add-class to a Prefect server, which starts it when photos are announced, until Ctrl-C."""
    from flows.console import tell
    from flows.deployments import listen as serve_deployment

    serve_deployment(checked_workspace(workspace), inbox, tell)


@commands.command()
def deploy(
    inbox: Annotated[
        Path | None, typer.Argument(help="An inbox that `shotline watch --announce` looks at; add-class is served too.")
    ] = None,
    train_cron: Annotated[
        str | None, typer.Option(metavar="CRON", help="Train by itself, e.g. '0 3 * * *': each night at three.")
    ] = None,
    consolidate_cron: Annotated[
        str | None, typer.Option(metavar="CRON", help="Consolidate the added classes by itself.")
    ] = None,
    notify: Annotated[
        str | None, typer.Option(metavar="BLOCK", help="Send messages by this notification block: TYPE/NAME.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Serve the flows train, consolidate, review and add-class to a Prefect server, until Ctrl-C."""
    from flows.console import tell
    from flows.deployments import deploy as serve_deployments

    serve_deployments(
        checked_workspace(workspace),
        inbox,
        tell,
        train_cron=train_cron,
        consolidate_cron=consolidate_cron,
        notify=notify,
    )


@commands.command("remove-class")
def remove_class(
    name: Annotated[str, typer.Argument(help="An added class, or a trained one for which photos wait.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Take an added class out again, or a trained one's waiting photos; all else is as if they had never been there."""
    live = live_workspace(workspace)
    change = live.changes.remove(name, live.stamp())
    if change.version == change.before:
        typer.echo(f"{name}: the photos that waited for consolidation are taken back")
    typer.echo(_moved(change))


@commands.command("rename-class")
def rename_class(
    name: Annotated[str, typer.Argument(help="An added class.")],
    new_name: Annotated[str, typer.Argument(help="What it is to be called.")],
    workspace: WorkspaceOption = None,
) -> None:
    """Call an added class something else."""
    live = live_workspace(workspace)
    typer.echo(_moved(live.changes.rename(name, new_name, live.stamp())))


@commands.command()
def consolidate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Classes; default: all that were added or wait.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overrule the gate; the ledger says so.")] = False,
    plain: Annotated[bool, typer.Option("--plain", help="Without Prefect; the same stages and files.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Move added classes, and photos that wait, into data/raw and train on them; live if the gate lets it."""
    from flows.console import ConsoleReporter

    place = checked_workspace(workspace)
    run: Callable[..., dict[str, Any]]
    with place.turn():
        if plain:
            from flows.consolidation import check_consolidation, consolidate_classes

            run = consolidate_classes
        else:
            begin_prefect()
            from flows.consolidate import run_consolidate
            from flows.consolidation import check_consolidation
            from flows.running import require_flows

            require_flows()
            run = run_consolidate
        check_consolidation(place, names or ())
        if not plain:
            expect_prefect()
        outcome = run(place, tuple(names or ()), ConsoleReporter(), force=force)
    keep_online(place)
    typer.echo("\n".join(outcome["told"]))


@commands.command()
def publish(workspace: WorkspaceOption = None) -> None:
    """Make live what `dvc repro` or `dvc pull` left in models/bundle; training does so by itself."""
    from components.workspace import Workspace
    from flows.pipeline import told_of_bundle

    place = Workspace.find(workspace)
    with place.turn():  # a training may be writing the bundle
        live = live_workspace(workspace)
        live.consolidation.require_settled()
        before = live.versions.current_name()
        change = live.changes.adopt(place.bundle, live.stamp())
    told = (
        [f"live: {before}, as before"] if change is None else [f"live: {change.version.name}", *told_of_bundle(change)]
    )
    typer.echo("\n".join(told))


@commands.command()
def rollback(
    version: Annotated[
        str | None, typer.Argument(help="A live version, or how its name begins; default: the one before.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Make an earlier version live again."""
    if version is not None:
        live_versions(workspace)[1].find(version)
    live = live_workspace(workspace)
    change = live.changes.roll_back(live.stamp(), version)
    typer.echo(_moved(change))
    if change.version.bundle != change.before.bundle:
        typer.echo("data/raw and models/bundle stay as they are: training again makes their classifier live")


@commands.command()
def versions(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the versions that were live, newest last; the one in use has a star."""
    from components.live.listing import version_row

    _, known = live_versions(workspace)
    current = known.in_use()
    for version in known.all():
        if as_json:
            typer.echo(json.dumps(version_row(version, current), ensure_ascii=False))
        else:
            added = f"  with {', '.join(version.classes)}" if version.classes else ""
            made = version.made[:16].replace("T", " ")
            typer.echo(f"{'*' if version == current else ' '} {version.name}  {made} UTC{added}")


@commands.command()
def diff(
    first: Annotated[str, typer.Argument(metavar="V1", help="A live version.")],
    second: Annotated[str, typer.Argument(metavar="V2", help="Another.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object per line, for the bundle and each class that differs.")
    ] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Say how two versions differ: bundle, classes, photos."""
    from components.live.listing import differences

    _, known = live_versions(workspace)
    before, after = known.find(first), known.find(second)
    found = differences(known, before, after)
    if before.bundle != after.bundle:
        found.insert(0, {"change": "bundle", "before": before.bundle, "after": after.bundle})
    if as_json:
        for each in found:
            typer.echo(json.dumps(each, ensure_ascii=False))
    elif found:
        typer.echo("\n".join(map(_difference, found)))
    else:
        same = before.name == after.name
        typer.echo("no difference" if same else "the same classes from as many photos, but other ones")


@commands.command()
def vocabulary(workspace: WorkspaceOption = None) -> None:
    """Build the whole vocabulary that judges names, or wait for the one that is being built; `add-class` begins it."""
    from components.live.opening import LiveWorkspace
    from components.workspace import Workspace
    from flows.console import ConsoleReporter

    reporter = ConsoleReporter()
    words = LiveWorkspace.open(Workspace.find(workspace)).build_whole_vocabulary(
        lambda done, of: reporter.progress(done, of, "words")
    )
    typer.echo(f"{words:,} words")


def _difference(found: dict[str, Any]) -> str:
    """One row of `differences` in words."""
    if found["change"] == "bundle":
        return f"bundle: {found['before']} -> {found['after']}"
    name = found["class"]
    if found["change"] == "renamed":
        return f"~ {name}  is called {found['new_name']}"
    if found["change"] == "removed":
        return f"- {name}"
    now = f"{found['kind']}, {counted(found['photos'], 'photo')}"
    if found["change"] == "added":
        return f"+ {name}  ({now})"
    return f"~ {name}  {found['kind_before']}, {counted(found['photos_before'], 'photo')} -> {now}"


def _reviewable(item: Any) -> str:
    """A photo of the review in one line."""
    likely = ", ".join(f"{name} {100 * share:.0f} %" for name, share in item.likely[:2])
    alike = f"; {len(item.alike)} alike" if item.alike else ""
    unknown = "unknown; " if item.abstained else ""
    told = f"  {unknown}{likely}{alike}" if item.likely else alike
    return f"{item.photo[:12]}  {item.name or 'no name'}{told}"


def _check_arrival(name: str, images: list[Path]) -> None:
    """Refuse mistakes that can be seen at once, before a model is loaded.

    Raises:
        UserInputError: a name is not valid, or none of the paths exists.
    """
    from components.bank import class_name
    from components.errors import UserInputError

    class_name(name)
    if not any(path.exists() for path in images):
        raise UserInputError(
            f"none of its photos can be used; the first, {images[0]}: there is no such file",
            on=name,
            remedy="give at least one JPEG, PNG or WebP photo",
        )


def _moved(change: Any) -> str:
    if change.version == change.before:
        return f"live: {change.version.name}, as before"
    return f"live: {change.version.name} (before: {change.before.name}; back: shotline rollback {change.before.name})"
