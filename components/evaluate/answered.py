"""`reports/answers.csv`: what was answered about each photo that measures; written by the stage evaluate, read by reports.

`reports/answers_by_head.csv` has the same photos with the class that each head takes them for.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.bank import Answers
from components.errors import UserInputError
from components.evaluate.evaluation import Evaluation
from components.files import write_text
from components.wording import joined_names, split_names

__all__ = [
    "ANSWERED_COLUMNS",
    "AnsweredPhoto",
    "answered",
    "answered_photos",
    "read_answers",
    "read_answers_by_head",
    "write_answers",
]
__all__ += ["answers_text", "write_answers_by_head"]

ANSWERED_COLUMNS = (
    *("path", "actual", "class", "probability", "second", "second_probability", "likely", "abstained", "bank", "error"),
)
_REMEDY = "make it anew: shotline train, or dvc repro evaluate"


@dataclass(frozen=True)
class AnsweredPhoto:
    """A photo whose class is known, and what was answered.

    Attributes:
        path: relative to the workspace, with slashes.
        actual: its class.
        answer: the most probable class.
        probability: of that class, 0 to 1.
        second: the next one; None where there is one class.
        second_probability: of that one.
        likely: see `components.bank.likely`, most probable first.
        abstained: the answer was "unknown".
        bank: version of what answered.
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
        """Whether the most probable class is the photo's own, "unknown" or not."""
        return self.answer == self.actual


def answered(evaluation: Evaluation, path_of: Callable[[str], str]) -> list[AnsweredPhoto]:
    """A row a photo, in the order of the evaluation.

    Args:
        evaluation: with the photos' ids.
        path_of: gives the path of a photo by its SHA-256.
    """
    answers = Answers(evaluation.probabilities, evaluation.abstained, evaluation.likely)
    names = evaluation.class_names
    actual = [names[label] for label in evaluation.labels.tolist()] if evaluation.photos else []
    return answered_photos(answers, names, [path_of(photo) for photo in evaluation.photos], actual, evaluation.version)


def answered_photos(
    answers: Answers, names: Sequence[str], paths: Sequence[str], actual: Sequence[str], version: str
) -> list[AnsweredPhoto]:
    """A row a photo.

    Args:
        answers: about n photos.
        names: of the classes, in the order of their probabilities.
        paths: of the photos, n; none for no rows.
        actual: their classes, n.
        version: of what answered.
    """
    if not paths:
        return []
    best = answers.probabilities.topk(min(2, len(names)), dim=1)
    likely = answers.likely_places
    abstained = answers.abstained.tolist()
    rows = []
    for row, path in enumerate(paths):
        values, places = best.values[row].tolist(), best.indices[row].tolist()
        rows.append(
            AnsweredPhoto(
                path=path,
                actual=actual[row],
                answer=names[places[0]],
                probability=values[0],
                second=names[places[1]] if len(places) > 1 else None,
                second_probability=values[1] if len(places) > 1 else None,
                likely=tuple(names[place] for place in likely[row]),
                abstained=abstained[row],
                bank=version,
            )
        )
    return rows


def write_answers(path: Path, rows: Sequence[AnsweredPhoto]) -> None:
    """Write `answers.csv`; the same rows give the same bytes."""
    write_text(path, answers_text(rows))


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
        UserInputError: it is no such table, or has no column `actual`, as one of photos without labels.
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


def write_answers_by_head(path: Path, evaluation: Evaluation, path_of: Callable[[str], str]) -> None:
    """Write a row a photo: `path`, `actual`, and a column a head, empty where the head was not asked."""
    names = evaluation.class_names
    heads = list(evaluation.answers_of)
    columns = [evaluation.answers_of[head].tolist() for head in heads]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["path", "actual", *heads])
    for row, photo in enumerate(evaluation.photos):
        answers = [names[column[row]] if column[row] >= 0 else "" for column in columns]
        writer.writerow([path_of(photo), names[int(evaluation.labels[row])], *answers])
    write_text(path, buffer.getvalue())


def read_answers_by_head(path: Path) -> dict[str, list[str]]:
    """Column name to its values; empty where there is no such file."""
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file)) or [[]]
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}
