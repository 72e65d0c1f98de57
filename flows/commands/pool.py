"""Commands for photos without a label: add, drop, list, and describe the pool."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from components.errors import UserInputError
from components.wording import counted
from flows.commands.shared import WorkspaceOption, checked_workspace

__all__ = ["commands"]

commands = typer.Typer(
    help="Photos without a label: training learns from them, and review says which to label next.",
    no_args_is_help=True,
)


@commands.command()
def add(
    sources: Annotated[list[Path], typer.Argument(metavar="FOLDER|PHOTO...", help="Photos, and folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Copy photos without a label into the pool; the next `shotline train` learns from them."""
    from datetime import UTC, datetime

    from components.ingest import IngestSettings
    from components.pool import Pool, PoolSettings, add_photos
    from flows.console import ConsoleReporter, console

    place = checked_workspace(workspace)
    reporter = ConsoleReporter()
    added = add_photos(
        Pool(place.pool),
        sources,
        limits=place.parameters.section("ingest", IngestSettings).limits,
        most_bytes=int(place.parameters.section("pool", PoolSettings).most_gb * 1e9),
        time=datetime.now(UTC).isoformat(timespec="milliseconds"),
        progress=lambda done, total: reporter.progress(done, total, "photos read"),
    )
    for refused in added.refused:
        console.print(f"  not used: {refused.on}: {refused.what}", markup=False, soft_wrap=True)
    if as_json:
        refusals = [{"path": each.on, "reason": each.reason, "message": each.what} for each in added.refused]
        typer.echo(json.dumps({"added": len(added.added), "there": added.there, "refused": refusals}))
    else:
        there = f", {added.there} were there already" if added.there else ""
        bad = f", {len(added.refused)} cannot be used" if added.refused else ""
        typer.echo(f"{counted(len(added.added), 'photo')} added to the pool{there}{bad}")
        if added.added:
            console.print(
                "  next: shotline train learns from them; shotline review says which to label first", style="dim"
            )
    if added.refused and not (added.added or added.there):
        raise typer.Exit(UserInputError.exit_code)


@commands.command("list")
def list_photos(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """List the pool's photos, oldest first."""
    from components.pool import Pool

    for each in Pool(checked_workspace(workspace).pool).photos():
        if as_json:
            facts: dict[str, Any] = {"photo": each.photo, "name": each.name, "origin": each.origin, "time": each.time}
            facts |= {"size": each.size, "why": each.why, "answer": each.answer, "version": each.version}
            typer.echo(json.dumps({name: value for name, value in facts.items() if value != ""}, ensure_ascii=False))
        else:
            kept = f"  ({each.why}, taken for {each.answer})" if each.why else ""
            typer.echo(f"{each.photo[:12]}  {each.time[:16].replace('T', ' ')} UTC  {each.name or 'no name'}{kept}")


@commands.command()
def drop(
    photos: Annotated[
        list[str] | None, typer.Argument(metavar="[PHOTO]...", help="A hash, how it begins, or a file's name.")
    ] = None,
    from_service: Annotated[bool, typer.Option("--from-service", help="All that the service kept.")] = False,
    everything: Annotated[bool, typer.Option("--all", help="All photos.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Forget photos of the pool: their copies there are removed, the files they came from stay."""
    from components.pool import Pool

    pool = Pool(checked_workspace(workspace).pool)
    if bool(photos) + from_service + everything != 1:
        raise UserInputError(
            "it is not clear what to drop" if not photos else "photos are named, and a whole part of the pool too",
            on="shotline pool drop",
            remedy="name photos, or give --from-service, or --all",
        )
    if photos:
        wanted = {pool.find(name).photo for name in photos}
    else:
        wanted = {each.photo for each in pool.photos() if everything or each.origin == "service"}
    typer.echo(f"{counted(len(pool.drop(wanted)), 'photo')} dropped from the pool")


@commands.command()
def stats(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Say what the pool holds, and what the last training took of it."""
    from components.pool import Pool, PoolSettings

    place = checked_workspace(workspace)
    photos = Pool(place.pool).photos()
    facts: dict[str, Any] = {
        "photos": len(photos),
        "bytes": sum(each.size for each in photos),
        "most_bytes": int(place.parameters.section("pool", PoolSettings).most_gb * 1e9),
        "origins": dict(Counter(each.why or each.origin for each in photos)),
        "trained": _trained_on(place),
    }
    if as_json:
        typer.echo(json.dumps(facts))
        return
    size = f"{facts['bytes'] / 1e6:,.1f} MB of at most {facts['most_bytes'] / 1e6:,.0f}"
    typer.echo(f"{counted(len(photos), 'photo')}, {size}")
    for name, count in sorted(facts["origins"].items()):
        typer.echo(f"  {_ORIGINS.get(name, name)}: {count:,}")
    if facts["trained"] is not None:
        taken, left = facts["trained"]["photos"], facts["trained"]["left_out"]
        typer.echo(f"the last training took {taken:,} and left out {left:,} that are (nearly) labelled photos")


_ORIGINS = {
    "folder": "from folders",
    "abstained": "from the service, which did not know them",
    "close": "from the service, close calls",
    "sample": "from the service, a random sample",
}


def _trained_on(place: Any) -> dict[str, int] | None:
    from dataclasses import asdict

    from components.artefacts import PoolFacts

    try:
        return asdict(PoolFacts.read(place.features))
    except UserInputError:  # nothing is trained yet
        return None
