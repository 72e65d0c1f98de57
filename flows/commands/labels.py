"""Labels that are probably wrong, and the command that puts one right."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from components.errors import UserInputError
from flows.commands.shared import WorkspaceOption, checked_workspace

__all__ = ["commands", "show_doubtful"]

commands = typer.Typer()


@commands.command()
def relabel(
    photo: Annotated[
        str, typer.Argument(metavar="PHOTO", help="A photo of data/raw: its path, or how its hash begins.")
    ],
    to: Annotated[str, typer.Argument(metavar="[CLASS]", help="The class that it is of.")] = "",
    drop: Annotated[bool, typer.Option("--drop", help="Train without it; the file stays.")] = False,
    right: Annotated[bool, typer.Option("--right", help="The label is right; it is not asked about again.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Take back the last word on it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Put a trained photo's label right; the next `shotline train` follows, and no file is moved."""
    if bool(to) + drop + right + undo != 1:
        raise UserInputError(
            "what is to be done is not said"
            if not (to or drop or right or undo)
            else "one thing at a time can be said",
            on="shotline relabel",
            remedy="name the class, or give --drop, --right or --undo",
        )
    place = checked_workspace(workspace)
    from components.live.labels import say_of_label, take_label_back

    if undo:
        said = take_label_back(place, photo)
    else:
        said = say_of_label(place, photo, "relabel" if to else "drop" if drop else "right", to)
    typer.echo(json.dumps(said.to_json(), ensure_ascii=False) if as_json else said.told)


def show_doubtful(place: Any, live: Any, top: int, as_json: bool) -> None:
    """Print labels that are probably wrong, a line each."""
    from components.live.labels import labels_to_check
    from flows.console import console

    found = labels_to_check(live, place, top)
    for each in found:
        path = os.path.relpath(place.root / each.path)
        if as_json:
            typer.echo(json.dumps({**each.to_json(), "path": path}, ensure_ascii=False))
        else:
            typer.echo(f"{path}  is labelled {each.class_name}, looks like {each.taken_for}")
    told = (
        "look at each: shotline relabel PHOTO CLASS puts it right, --drop trains without it, --right keeps it; "
        "then: shotline train"
        if found
        else "no label contradicts what the other photos say of it"
    )
    console.print(f"  {told}", style="dim", markup=False, soft_wrap=True)
