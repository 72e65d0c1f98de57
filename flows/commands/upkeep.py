"""Commands for the upkeep of a workspace: its status, and deleting unneeded photos."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from components.wording import counted, sized
from flows.commands.shared import WorkspaceOption

if TYPE_CHECKING:
    from components.workspace import Workspace

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def status(
    inboxes: Annotated[
        list[Path] | None, typer.Argument(metavar="[INBOX]...", help="Inboxes beside those that were watched.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Say in one screen what is live, what waits, who watches, and what is behind."""
    from components.live.standing import standing_of
    from components.workspace import Workspace

    place = Workspace.find(workspace)
    standing = standing_of(place, inboxes or ())
    untracked, stages, trouble = _asked_of_dvc(place)
    standing = replace(standing, behind=replace(standing.behind, untracked=untracked, stages=stages, dvc=trouble))
    if as_json:
        typer.echo(json.dumps(standing.to_json(), ensure_ascii=False))
    else:
        from components.live.standing_told import explain_standing

        typer.echo(explain_standing(standing))


@commands.command()
def track(workspace: WorkspaceOption = None) -> None:
    """Tell DVC of the photos that arrived since it was last told; commands and the service do it by themselves."""
    from components.errors import UserInputError
    from components.workspace import Workspace
    from flows.tracking import track_arrivals

    place = Workspace.find(workspace)
    if not (place.root / ".dvc").is_dir():
        raise UserInputError(
            "DVC is not set up here",
            on=str(place.root),
            remedy="run: dvc init --subdir, or without git: dvc init --no-scm",
        )
    typer.echo("DVC was told of the arrivals" if track_arrivals(place) else "DVC knows of every arrival")


@commands.command()
def check(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Photos that are not in the workspace yet.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a check.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Check the photos of arrivals and pool, or of a folder, as a training checks its own, by Great Expectations."""
    from components.stages.checking import check_photos
    from components.stages.validate import told_where
    from flows.commands.shared import checked_workspace
    from flows.console import ConsoleReporter

    answers = check_photos(checked_workspace(workspace), ConsoleReporter(), folder)
    for answer in answers:
        check = answer.check
        if as_json:
            facts = {"code": check.code, "severity": check.severity, "title": check.title, "passed": answer.passed}
            typer.echo(
                json.dumps({**facts, "skipped": check.skipped, "failing": list(answer.failing)}, ensure_ascii=False)
            )
        elif answer.passed is False:
            typer.echo(f"{check.severity}: {check.title}; this fails {told_where(answer)}; {check.remedy}")
    failed = [answer for answer in answers if answer.passed is False]
    if not as_json:
        typer.echo(f"{counted(answers[0].n_rows, 'photo')}, {counted(len(answers), 'check')}, {len(failed)} failed")
    if any(answer.check.severity != "warning" for answer in failed):
        raise typer.Exit(2)


@commands.command()
def purge(
    inbox: Annotated[
        Path | None, typer.Option(metavar="INBOX", help="Instead: what lies in its .done and .rejected.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Delete photos of added classes that were removed or rolled back from data/arrivals, after asking."""
    if inbox is None:
        _purge_arrivals(workspace, yes)
    else:
        _purge_inbox(inbox, yes)


def _purge_arrivals(workspace: Path | None, yes: bool) -> None:
    from components.live.purging import purge as purge_photos
    from components.live.purging import purgeable
    from flows.commands.shared import live_workspace

    live = live_workspace(workspace)
    found = purgeable(live)
    if not found.classes and not found.stray:
        typer.echo("there is no photo of a removed class")
        return
    told = [f"{name}: {counted(len(photos), 'photo')}" for name, photos in found.classes.items()]
    if found.stray:
        told.append(f"of no class, from arrivals that were refused or cut off: {counted(len(found.stray), 'photo')}")
    told.append(f"{sized(found.size_bytes)} in all, in {live.photos.folder}")
    if found.versions:
        names = ", ".join(version.name for version in found.versions)
        told.append(f"live versions that cannot be made anew without them, and cannot be gone back to: {names}")
    if found.refitted:
        told.append("classes that are live were fitted beside them, and are fitted anew without them")
    told.append("what DVC was told of stays in its cache and remotes until dvc gc")
    if _agreed(told, yes):
        before = live.versions.current_name()
        version = purge_photos(live, found)
        as_before = ", as before" if version.name == before else f" (before: {before})"
        typer.echo(f"{counted(len(found.photos) + len(found.stray), 'photo')} deleted\nlive: {version.name}{as_before}")


def _purge_inbox(inbox: Path, yes: bool) -> None:
    from components.inbox import Inbox, filed_folders, remove

    folders = filed_folders(Inbox(inbox).folder)
    if not folders:
        typer.echo("its .done and .rejected hold nothing older than a minute")
        return
    told = []
    for ending, what in (("done", "taken"), ("rejected", "refused, perhaps the only copies")):
        those = [each for each in folders if each.ending == ending]
        files, size = sum(each.files for each in those), sum(each.size_bytes for each in those)
        told += [f".{ending} ({what}): {counted(files, 'file')}, {sized(size)}"] if those else []
    if _agreed([*told, "what waits in the inbox stays"], yes):
        remove(folders)
        typer.echo(f"{counted(sum(each.files for each in folders), 'file')} deleted")


def _agreed(told: list[str], yes: bool) -> bool:
    """Print what would be deleted, and ask whether to delete it.

    Raises:
        UserInputError: nobody can be asked.
    """
    from components.errors import UserInputError
    from flows.console import console

    for line in told:
        console.print(f"  {line}", markup=False, soft_wrap=True)
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UserInputError("nobody can be asked, so nothing was deleted", on="shotline purge", remedy="give --yes")
    agreed = typer.confirm("Delete them?", err=True)
    if not agreed:
        typer.echo("nothing was deleted")
    return agreed


def _asked_of_dvc(place: Workspace) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Paths that DVC does not track as they are, stages that would run anew, and why DVC could not be asked."""
    from components.errors import ShotlineError
    from flows.dvc import Pipeline

    try:
        return *Pipeline(place).behind(), ""
    except ShotlineError as error:
        return (), (), error.what
