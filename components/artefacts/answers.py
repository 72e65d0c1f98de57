"""`reports/answers.csv`: the answer to each photo that is only measured on; reports read it.

`reports/answers_by_head.csv` has the same photos with the class that each head takes them for.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserInputError
from components.files import write_text
from components.wording import joined_names, split_names

__all__ = ["ANSWERED_COLUMNS", "AnsweredPhoto", "answers_by_head_file", "answers_file", "answers_text", "read_answers"]
__all__ += ["read_answers_by_head", "write_answers", "write_answers_by_head"]

ANSWERED_COLUMNS = (
    *("path", "actual", "class", "probability", "second", "second_probability", "likely", "abstained", "bank", "error"),
)
"""The columns of `classify --csv`, and the photo's own class."""

_REMEDY = "make it anew: shotline train, or dvc repro evaluate"


@dataclass(frozen=True)
class AnsweredPhoto:
    """A photo whose class is known, and what was answered.

    Attributes:
        path: relative to the workspace, with slashes.
        actual: its class.
        answer: the most probable class.
        probability: of that class, 0 to 1.
        second: the next most probable class; None if there is only one class.
        second_probability: of that class.
        likely: see `components.bank.likely`, most probable first.
        abstained: the answer was "unknown".
        bank: version of the classifier that answered.
    """

    path: str
    actual: str
    answer: str
    probability: float
    second: str | None
    second_probability: float | None
    likely: tuple[str, ...]
    abstained: bool
    bank: str

    @property
    def right(self) -> bool:
        """Whether the most probable class is the photo's own, even if the answer was "unknown"."""
        return self.answer == self.actual


def answers_file(reports: Path) -> Path:
    """Where the table lies."""
    return reports / "answers.csv"


def answers_by_head_file(reports: Path) -> Path:
    """Where the table of all heads' answers lies."""
    return reports / "answers_by_head.csv"


def write_answers(reports: Path, rows: Sequence[AnsweredPhoto]) -> None:
    """Write the table; the same rows give the same bytes."""
    write_text(answers_file(reports), answers_text(rows))


def answers_text(rows: Sequence[AnsweredPhoto]) -> str:
    """The table as text; probabilities to six places."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(ANSWERED_COLUMNS)
    for row in rows:
        second = "" if row.second_probability is None else f"{row.second_probability:.6f}"
        ranked = (row.answer, f"{row.probability:.6f}", row.second or "", second)
        writer.writerow([row.path, row.actual, *ranked, joined_names(row.likely), str(row.abstained), row.bank, ""])
    return buffer.getvalue()


def read_answers(text: str, *, on: str) -> list[AnsweredPhoto]:
    """What `write_answers` wrote; rows with an error are left out.

    Args:
        text: of the file.
        on: what it is called in an error.

    Raises:
        UserInputError: it is no such table, or it lacks the column `actual`: its photos have no labels.
    """
    reader = csv.DictReader(io.StringIO(text))
    missing = [name for name in ("path", "actual", "class", "probability") if name not in (reader.fieldnames or ())]
    if missing:
        raise UserInputError(f"the table of answers has no column {missing[0]}", on=on, remedy=_REMEDY)
    try:
        return [
            AnsweredPhoto(
                path=row["path"],
                actual=row["actual"],
                answer=row["class"],
                probability=float(row["probability"]),
                second=row.get("second") or None,
                second_probability=float(row["second_probability"]) if row.get("second_probability") else None,
                likely=split_names(row.get("likely") or ""),
                abstained=row.get("abstained", "").lower() == "true",
                bank=row.get("bank") or "",
            )
            for row in reader
            if not row.get("error")
        ]
    except (ValueError, TypeError, csv.Error) as error:
        raise UserInputError(f"the table of answers cannot be read: {error}", on=on, remedy=_REMEDY) from error


def write_answers_by_head(reports: Path, columns: Mapping[str, Sequence[str]]) -> None:
    """Write a row per photo: `path`, `actual`, and a column per head, empty if the head was not asked.

    Args:
        reports: the folder.
        columns: name to values, all of one length; `path` and `actual` first.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(answers_by_head_file(reports), buffer.getvalue())


def read_answers_by_head(reports: Path) -> dict[str, list[str]]:
    """Column name to its values; empty if there is no such file."""
    path = answers_by_head_file(reports)
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}
