"""One row per photo: the columns, and the form of a row in CSV and Parquet."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from components.ingest import PhotoError

if TYPE_CHECKING:
    from components.serving.answers import Answer

__all__ = ["COLUMNS", "Row", "csv_line", "csv_rows", "is_unsure", "row_of"]

Row = dict[str, Any]
"""`COLUMNS` to values; None if a photo does not have one."""

COLUMNS = (
    *("path", "class", "probability", "second", "second_probability"),
    *("likely", "abstained", "bank", "error", "flaw"),
)

_BETWEEN = "|"  # between likely classes, in CSV
_DIGITS = 6

# A spreadsheet takes this for a formula; it also matches after the defusing mark, so that the mark can be removed.
_FORMULA = re.compile("'*[=+\\-@\t\r＝＋－＠]")
_TO_QUOTE = re.compile('[,;"\t\r\n]')  # the semicolon and the tab separate cells in spreadsheets of some countries


def row_of(name: str, answer: Answer | PhotoError) -> Row:
    """The row of a photo, from its answer or its error."""
    if isinstance(answer, PhotoError):
        return {**dict.fromkeys(COLUMNS), "path": name, "error": f"{answer.what}; {answer.remedy}"}
    best, second = answer.top[0], answer.top[1] if len(answer.top) > 1 else None
    return {
        "path": name,
        "class": best.class_name,
        "probability": round(best.probability, _DIGITS),
        "second": None if second is None else second.class_name,
        "second_probability": None if second is None else round(second.probability, _DIGITS),
        "likely": list(answer.likely),
        "abstained": answer.abstained,
        "bank": answer.bank,
        "error": None,
        "flaw": answer.flaw,
    }


def is_unsure(row: Row) -> bool:
    """Whether a person should look: the answer is "unknown", several classes are likely, or there is no answer."""
    return bool(row["error"]) or bool(row["abstained"]) or len(row["likely"]) > 1


def csv_line(row: Row) -> str:
    """A row as a line of CSV with its line end. A `'` defuses text that a spreadsheet would take for a formula."""
    return ",".join(map(_cell, (row[name] for name in COLUMNS))) + "\r\n"


def _cell(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float():
            return f"{value:.{_DIGITS}f}"
        case list():
            text = _BETWEEN.join(value)
        case _:
            text = str(value)
    if _FORMULA.match(text):
        text = "'" + text
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) or not text else text


def csv_rows(text: Iterable[str]) -> Iterator[Row]:
    """The rows that `csv_line` has written, after a header.

    Raises:
        ValueError: the columns are others, or a row is broken.
    """
    lines = csv.reader(text, strict=True)
    try:
        if tuple(next(lines, ())) != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        for cells in lines:
            yield _row(cells)
    except csv.Error as error:
        raise ValueError(str(error)) from None


def _row(cells: list[str]) -> Row:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"a row has {len(cells)} cells: {cells[0] if cells else ''}")
    row: Row = {}
    for name, cell in zip(COLUMNS, cells, strict=True):
        text = cell[1:] if cell.startswith("'") and _FORMULA.match(cell[1:]) else cell
        match name:
            case "probability" | "second_probability":
                row[name] = float(cell) if cell else None
            case "abstained":
                row[name] = {"true": True, "false": False, "": None}[cell]
            case "likely":
                row[name] = text.split(_BETWEEN) if text else None
            case _:
                row[name] = text or None
    if row["error"] is None and row["likely"] is None:
        row["likely"] = []
    return row
