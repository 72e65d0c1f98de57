"""The command `benchmark`: heads on many photo sets, as the field measures them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from flows.commands.shared import WorkspaceOption, checked_workspace

__all__ = ["commands"]

commands = typer.Typer()


class _SeveralValues(TyperCommand):
    """A command whose options take several values: `--shots 1 4 16` is `--shots 1 --shots 4 --shots 16`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeat the option's name before each of its values."""
        told, name = [], ""
        for argument in args:
            if argument.startswith("-"):
                name = argument if argument in ("--shots", "--seeds", "--heads", "--only") else ""
                told += [] if name else [argument]
            else:
                told += [name, argument] if name else [argument]
        return super().parse_args(ctx, told)


@commands.command(cls=_SeveralValues)
def benchmark(
    sets: Annotated[
        Path, typer.Option(help="A folder of sets: CoOp's (caltech-101, dtd, ...), or any folder of class folders.")
    ],
    shots: Annotated[list[int], typer.Option(help="Labelled photos per class.", min=1)] = [1, 2, 4, 8, 16],  # noqa: B006
    seeds: Annotated[list[int], typer.Option(help="Drawings.", min=0)] = [1, 2, 3],  # noqa: B006
    heads: Annotated[list[str] | None, typer.Option(help="Heads. Default: all but LDC and the pool's.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Measure these sets alone, by name.")] = None,
    base_to_new: Annotated[bool, typer.Option(help="Measure half of the classes against the other half too.")] = True,
    output: Annotated[Path, typer.Option(help="Folder for results.jsonl, table.md and accuracy.png.")] = Path(
        "benchmark"
    ),
    workspace: WorkspaceOption = None,
) -> None:
    """Measure heads on photo sets and print the table that papers print; stopped, it goes on where it was.

    Backbone, features and heads are set by the workspace's params.yaml, as for `shotline train`.
    """
    from components.classifier import CLASSIFIER_HEADS
    from components.classifier.registry import head_kind
    from components.protocol.running import run_protocol
    from flows.console import ConsoleReporter

    place = checked_workspace(workspace)
    for name in heads or ():
        head_kind(name)
    chosen = tuple(heads or (name for name in CLASSIFIER_HEADS if not head_kind(name).head.needs_pool))
    reporter = ConsoleReporter()
    text, problems = run_protocol(
        place,
        sets,
        output,
        heads=chosen,
        shots=shots,
        seeds=seeds,
        only=only,
        base_to_new=base_to_new,
        told=reporter.note,
    )
    typer.echo(text, nl=False)
    reporter.note(f"written: {os.path.relpath(output)}/table.md, accuracy.png")
    if problems:
        raise typer.Exit(2)
