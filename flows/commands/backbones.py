"""The command that says which backbone to take."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from flows.commands.shared import WorkspaceOption

if TYPE_CHECKING:
    from pathlib import Path

    from components.backbone.known import KnownBackbone

__all__ = ["commands"]

commands = typer.Typer()


@commands.command()
def backbones(
    measure: Annotated[
        bool, typer.Option("--measure", help="Time those that are at hand: milliseconds per photo on one thread.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    workspace: WorkspaceOption = None,
) -> None:
    """Say which CLIP to take for which machine, and which are here already."""
    from components.backbone.known import listed_backbones
    from components.errors import UserInputError
    from components.workspace import Workspace
    from components.workspace.template import template_folder

    try:
        models = Workspace.find(workspace).models
    except UserInputError:
        if workspace is not None:
            raise
        models = template_folder() / "models"
    rows = [_timed(each, models) if measure else each for each in listed_backbones(models)]
    if as_json:
        for each in rows:
            typer.echo(json.dumps(each.to_json(), ensure_ascii=False))
        return
    _show(rows)


def _timed(each: KnownBackbone, models: Path) -> KnownBackbone:
    from components.backbone.known import measured_ms
    from components.errors import ShotlineError
    from flows.console import tell

    if each.where == "hub":
        return each
    try:
        return replace(each, ms=round(measured_ms(each.name, models), 1))
    except ShotlineError as error:
        tell(f"{each.name} cannot be timed: {error.what}")
        return each


def _show(rows: list[KnownBackbone]) -> None:
    from components.backbone.known import ADVISED

    header = ("backbone", "here", "M weights", "GFLOP", "ImageNet", "38 sets", "ms", "licence", "good for")
    lines = [
        (
            each.name,
            {"workspace": "yes", "cached": "yes", "hub": ""}[each.where],
            *(_number(value) for value in (each.image_millions, each.gflops, each.imagenet, each.mean_38, each.ms)),
            each.licence,
            each.good_for + (f" (extra {each.needs})" if each.needs else ""),
        )
        for each in rows
    ]
    widths = [max(len(line[column]) for line in (header, *lines)) for column in range(len(header))]
    for line in (header, *lines):
        cells = (
            cell.rjust(width) if 2 <= column <= 6 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        typer.echo("  ".join(cells).rstrip())
    typer.echo(
        "\nM weights, GFLOP: of the image tower. ImageNet, 38 sets: published zero-shot, percent. ms: --measure.\n"
        f"shotline train PHOTOS --backbone {ADVISED}\n"
        "Any other model and tag of open_clip works too, and hf-hub:OWNER/MODEL. --beside embedded adds a second image encoder."
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
