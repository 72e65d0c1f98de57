"""Runs the whole protocol: every set that is found, one after the other; a broken set is reported and skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from components.backbone import BackboneSettings, load_with_beside
from components.errors import ShotlineError, UserInputError
from components.protocol.measuring import Protocol, measure
from components.protocol.results import Measured, Results
from components.protocol.sets import find_sets
from components.protocol.tables import write_plot, write_tables
from components.workspace import Workspace

__all__ = ["run_protocol"]


def run_protocol(
    workspace: Workspace,
    folder: Path,
    output: Path,
    *,
    heads: Sequence[str],
    shots: Sequence[int],
    seeds: Sequence[int],
    only: Sequence[str] | None = None,
    base_to_new: bool = True,
    told: Callable[[str], None],
) -> tuple[str, list[str]]:
    """Measure the sets, and write `results.jsonl`, `table.md` and `accuracy.png`.

    Args:
        workspace: gives backbone and parameters.
        folder: of the sets.
        output: where to write.
        heads: their names.
        shots: labelled photos per class.
        seeds: drawings.
        only: sets to measure, by name; None: all.
        base_to_new: see `Protocol`.
        told: called with lines of progress.

    Returns:
        The table, and what was wrong with sets, a line each.

    Raises:
        UserInputError: there is no set, or none could be measured.
    """
    found, absent = find_sets(folder)
    if only:
        found = [each for each in found if each.name in only]
    if absent:
        told(f"not here: {', '.join(absent)}")
    settings = workspace.parameters.section("backbone", BackboneSettings)
    backbone = load_with_beside(settings, workspace.models)
    protocol = Protocol(workspace, backbone, tuple(heads), tuple(shots), tuple(seeds), base_to_new)
    results, problems = Results(output), []
    wanted: set[str] = set()
    for each in found:
        try:
            wanted |= measure(each, protocol, results, told, shifts=folder if each.name == "ImageNet" else None)
        except (ShotlineError, OSError) as error:
            said = f"{error.what} ({error.on})" if isinstance(error, ShotlineError) else str(error)
            problems.append(f"{each.name}: {said}")
            told(f"{each.name} is left out: {said}")
    # A task that was cut off between its lines is measured again, so some of its lines are there twice.
    rows = list({row.of: _in_order(row, heads) for row in results.measured if row.of.split("/")[0] in wanted}.values())
    if not rows:
        raise UserInputError(
            "no set could be measured" + (f": {problems[0]}" if problems else ""),
            on=str(folder),
            remedy="see that each set lies in a folder of its own, laid out as CoOp's DATASETS.md says or by classes",
        )
    rows.sort(key=lambda row: (row.set, row.setting, row.shots, row.seed))
    text = write_tables(output / "table.md", rows, backbone=settings.name, absent=absent, problems=problems)
    write_plot(output / "accuracy.png", rows)
    return text, problems


def _in_order(row: Measured, heads: Sequence[str]) -> Measured:
    """With its heads in the order asked for: a row that was read back has them by their names."""
    return replace(row, top1={head: row.top1[head] for head in heads if head in row.top1})
