"""Commands that look after a workspace: how it stands, and what may go."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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


def _asked_of_dvc(place: Workspace) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """What DVC was not told of, the stages that would run anew, and why it could not be asked."""
    from components.errors import ShotlineError
    from flows.dvc import Pipeline

    try:
        return *Pipeline(place).behind(), ""
    except ShotlineError as error:
        return (), (), error.what
