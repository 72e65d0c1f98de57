"""Commands that make a workspace and bring it up to date."""

from __future__ import annotations

import importlib.metadata
import json
import os
from pathlib import Path
from typing import Annotated

import typer

from flows.commands.shared import WorkspaceOption

__all__ = ["about", "commands"]

commands = typer.Typer()

_GIT = {
    "made": "a git repository was made in it",
    "there": "it belongs to the git repository that it lies in",
    "none": "without git: DVC keeps its data all the same; `dvc metrics diff` and experiments need git",
}


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"shotline {importlib.metadata.version('shotline')}")
        raise typer.Exit


def about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A few photos per class become a deployed image classifier."""


@commands.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Made if it is not there.")] = Path(),
    no_scm: Annotated[bool, typer.Option("--no-scm", help="Without git.")] = False,
) -> None:
    """Make a folder a workspace: pipeline, parameters and the embedded CLIP; other files in it stay."""
    from components.workspace import init_workspace

    made = init_workspace(folder, scm=not no_scm)
    where = os.path.relpath(made.workspace.root)
    typer.echo(f"a workspace in {made.workspace.root}; {_GIT[made.git]}")
    typer.echo("next: " + ("" if where == "." else f"cd {where}; ") + "shotline train PHOTOS")


@commands.command()
def upgrade(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would run anew.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Bring a workspace's stages up to this Shotline's, and say which will run anew."""
    from components.workspace import Workspace, stage_changes, upgrade_workspace

    place = Workspace.find(workspace)
    changes = stage_changes(place) if dry_run else upgrade_workspace(place)
    for change in changes:
        facts = {"stage": change.stage, "found": change.found, "version": change.ours, "definition": change.definition}
        typer.echo(json.dumps(facts) if as_json else change.told)
    if not as_json:
        typer.echo(
            "they, and what rests on them, run anew at the next `shotline train` or `dvc repro`"
            if changes
            else "the workspace is up to date"
        )
