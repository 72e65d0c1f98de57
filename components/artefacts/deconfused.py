"""`deconfused.csv`: the pairs of classes that LDC separates or leaves confused, measured out of fold."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.artefacts.missing import existing
from components.files import write_text

__all__ = ["Pair", "read_pairs", "write_pairs"]

_NAME = "deconfused.csv"
_SHARES = ("before", "after", "moved")


@dataclass(frozen=True)
class Pair:
    """One class taken for another, by what LDC started from and by LDC.

    Attributes:
        label: the photos' class.
        taken_for: the other.
        before: share of the class's photos that the start takes for the other, 0 to 1.
        after: the same of LDC's answers, its outputs mixed as they ship.
        moved: mean over the class's photos of how far the residual moves the other class's logit relative to the right
            one's; negative: it separates them.
    """

    label: int
    taken_for: int
    before: float
    after: float
    moved: float


def write_pairs(folder: Path, pairs: Sequence[Pair], class_names: Sequence[str]) -> None:
    """Write the pairs, classes by name, to the folder of the stage ldc."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("class", "taken_for", *_SHARES))
    for pair in pairs:
        writer.writerow((class_names[pair.label], class_names[pair.taken_for], pair.before, pair.after, pair.moved))
    write_text(folder / _NAME, text.getvalue())


def read_pairs(folder: Path, class_names: Sequence[str]) -> list[Pair]:
    """What `write_pairs` wrote.

    Raises:
        UserInputError: the stage ldc has not run.
    """
    place = {name: number for number, name in enumerate(class_names)}
    with existing(folder / _NAME).open(newline="", encoding="utf-8") as file:
        return [
            Pair(place[row["class"]], place[row["taken_for"]], *(float(row[name]) for name in _SHARES))
            for row in csv.DictReader(file)
        ]
