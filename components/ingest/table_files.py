"""Reads tables that people bring (CSV, TSV, Parquet): encoding, line ends, header, quotes, width, types.

A table is read as its writer meant it, or refused with the row in which it is broken; a cell is never guessed.
"""

import codecs
import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.types as pt

from components.errors import UserInputError

__all__ = ["TEXT_SUFFIXES", "Columns", "Table", "Text", "added_rows", "columns_of", "decoded", "is_table", "read_table"]

NUL = "\0"
TEXT_SUFFIXES = (".csv", ".tsv", ".tab")
_DELIMITERS = ",;\t|"
_HEADER_WITHIN = 10  # first lines in which the header is looked for: a title or an empty line may stand above it
_HEADER_BYTES = 200_000
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[,;\t|]*', re.IGNORECASE)
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

Columns = Callable[[Sequence[str]], bool]
"""Says whether these names, in lower case, are the header of the wanted table."""


@dataclass(frozen=True)
class Text:
    """The form of a text table, so that rows can be added in the same form.

    Attributes:
        encoding: Python's name; a mark at the file's start is not part of it.
        line_end: of most lines.
        delimiter: between cells.
        ends_with_line: whether the last line has a line end.
    """

    encoding: str
    line_end: str
    delimiter: str
    ends_with_line: bool


@dataclass(frozen=True)
class Table:
    """A table's rows as text.

    Attributes:
        columns: all names of the header in their order: composed, without spaces around them, in lower case.
        rows: row number, as an editor counts lines and Parquet counts rows from 1, and cells by column; without
            empty rows, a missing cell is empty.
        text: the form of a text table, None for Parquet.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]
    text: Text | None


def is_table(path: Path) -> bool:
    """Whether the file's name ends like that of a table that can be read here."""
    return path.suffix.lower() in (*TEXT_SUFFIXES, ".parquet")


def columns_of(path: Path, is_header: Columns) -> tuple[str, ...]:
    """The columns of a table's header, without reading the rest; the first line's where no line is the header.

    Raises:
        UserInputError: the file cannot be read as a table.
    """
    if path.suffix.lower() == ".parquet":
        return tuple(_name(name) for name in _parquet(path, columns_only=True).column_names)
    with _readable(path), path.open("rb") as file:
        content = file.read(_HEADER_BYTES)
    return _header(_lines(decoded(content, path, cut=len(content) == _HEADER_BYTES)[0]), is_header)[1]


def read_table(path: Path, is_header: Columns, required: Sequence[str], optional: Sequence[str] = ()) -> Table:
    """Read the columns that are needed.

    Args:
        path: the file.
        is_header: recognises the header; lines above it are skipped.
        required: columns whose cells every row must have, though they may be empty.
        optional: further columns, read if they are there.

    Raises:
        UserInputError: it cannot be read, with the row that is broken; a column is there twice, or holds no text.
    """
    table = _parquet_table if path.suffix.lower() == ".parquet" else _text_table
    return table(path, is_header, required, optional)


def decoded(content: bytes, path: Path, *, cut: bool = False) -> tuple[str, str]:
    """A text file's content without a byte order mark, and its encoding.

    Raises:
        UserInputError: it is neither UTF-8 nor UTF-16 or UTF-32, or holds zeros.
    """
    encoding, mark = next(((name, mark) for mark, name in _MARKS if content.startswith(mark)), ("", b""))
    if not encoding:
        start = content[:2000]
        # Latin letters in UTF-16 without a mark: every other byte is zero.
        by_place = [start[place::2].count(0) > 0.3 * len(start) / 2 for place in (0, 1)]
        encoding = {(True, False): "utf-16-be", (False, True): "utf-16-le"}.get((by_place[0], by_place[1]), "utf-8")
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        text = decoder.decode(content[len(mark) :], final=not cut)
    except UnicodeDecodeError as error:
        row = content[: error.start].count(b"\n") + 1
        raise UserInputError(
            f"the file is not UTF-8, first in row {row}", on=str(path), remedy="save it as CSV with UTF-8"
        ) from None
    if NUL in text:
        raise UserInputError(
            f"row {len(_lines(text.partition(NUL)[0] + NUL))} holds zeros, which no text does",
            on=str(path),
            remedy="save it as CSV with UTF-8, or copy it again",
        )
    return text, encoding


def _text_table(path: Path, is_header: Columns, required: Sequence[str], optional: Sequence[str]) -> Table:
    with _readable(path):
        content = path.read_bytes()
    text, encoding = decoded(content, path)
    lines = _lines(text)
    header, columns, delimiter = _header(lines, is_header)
    _check_columns(path, columns, [*required, *optional])
    used = [name for name in (*required, *optional) if name in columns]
    places = {name: columns.index(name) for name in used}
    rows = []
    for number, cells in _records(path, lines, header + 1, delimiter, len(columns)):
        cells = [cell.strip() for cell in cells]
        if not any(cells):
            continue
        _check_width(path, number, cells, columns, required)
        row = {name: cells[place] if place < len(cells) else "" for name, place in places.items()}
        _check_cells(path, number, row)
        rows.append((number, row))
    end = "\r\n" if "\r\n" in text else "\r" if "\r" in text and "\n" not in text else "\n"
    return Table(columns, tuple(rows), Text(encoding, end, delimiter, not text or text.endswith(("\n", "\r"))))


def _lines(text: str) -> list[str]:
    # Not splitlines: that would also split at characters that do not end a line of a table.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return lines[:-1] if lines[-1] == "" else lines


def _header(lines: Sequence[str], is_header: Columns) -> tuple[int, tuple[str, ...], str]:
    """Index of the header's line, its columns, and the delimiter."""
    given = ""
    first = None
    for number, line in enumerate(lines[:_HEADER_WITHIN]):
        if not line.strip():
            continue
        if found := _SEPARATOR_LINE.fullmatch(line.strip()):
            given = found[1]
            continue
        delimiter = given or max(_DELIMITERS, key=line.count)
        try:
            cells = next(csv.reader([line], delimiter=delimiter, skipinitialspace=True), [])
        except csv.Error:
            continue
        here = (number, tuple(_name(cell) for cell in cells), delimiter)
        if is_header(here[1]):
            return here
        first = first or here
    return first or (0, (), ",")


def _records(
    path: Path, lines: Sequence[str], start: int, delimiter: str, n_columns: int
) -> Iterator[tuple[int, list[str]]]:
    """The number of the first line, and the cells, of each row."""
    # strict: a quote must be closed, and only a delimiter or the line's end may follow
    reader = csv.reader(
        (f"{line}\n" for line in lines[start:]), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    while True:
        before = reader.line_num
        number = start + before + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _open_quote(path, number, str(error)) from None
        swallowed = lines[start + before + 1 : start + reader.line_num]
        if any(line.count(delimiter) >= max(1, n_columns - 1) for line in swallowed):
            raise _open_quote(path, number, f"{len(swallowed)} more rows are within it")
        yield number, cells


def _open_quote(path: Path, number: int, why: str) -> UserInputError:
    return UserInputError(
        f"in row {number} a quote is opened that is not closed where its cell ends ({why})",
        on=str(path),
        remedy='close it, or write a quote within a quoted cell twice: ""',
    )


def _check_width(
    path: Path, number: int, cells: Sequence[str], columns: Sequence[str], required: Sequence[str]
) -> None:
    if any(cells[len(columns) :]):
        raise UserInputError(
            f"row {number} has {len(cells)} cells, but there are {len(columns)} columns ({', '.join(columns)})",
            on=str(path),
            remedy="put a cell that holds the separator in double quotes",
        )
    short = [name for name in required if columns.index(name) >= len(cells)]
    if short:
        raise UserInputError(
            f"row {number} has {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, so it has no {short[0]}",
            on=str(path),
            remedy="fill it in, or remove the row",
        )


def _check_cells(path: Path, number: int, row: dict[str, str]) -> None:
    for name, cell in row.items():
        if any(unicodedata.category(letter) == "Cc" for letter in cell if letter != "\t"):
            raise UserInputError(
                f"row {number} has a line break or another control character in {name}: {cell[:60]!r}",
                on=str(path),
                remedy="close the quote that is open there, or take the character out",
            )


def _check_columns(path: Path, columns: Sequence[str], used: Sequence[str]) -> None:
    for name in used:
        if columns.count(name) > 1:
            raise UserInputError(f"{columns.count(name)} columns are called {name}", on=str(path), remedy="leave one")


def _name(cell: str) -> str:
    return unicodedata.normalize("NFC", cell).strip("\ufeff\u200b \t\xa0").lower()


def _parquet_table(path: Path, is_header: Columns, required: Sequence[str], optional: Sequence[str]) -> Table:
    table = _parquet(path)
    columns = tuple(_name(name) for name in table.column_names)
    _check_columns(path, columns, [*required, *optional])
    used = [name for name in (*required, *optional) if name in columns]
    cells = {name: _cells(path, name, table.column(columns.index(name))) for name in used}
    rows = []
    for index in range(table.num_rows):
        row = {name: cells[name][index] for name in used}
        if any(row.values()):
            _check_cells(path, index + 1, row)
            rows.append((index + 1, row))
    return Table(columns, tuple(rows), None)


def _cells(path: Path, name: str, column: Any) -> list[str]:
    """Text, and whole numbers as in CSV. Other types have no unique spelling that the writer could have meant."""
    kind = column.type.value_type if pt.is_dictionary(column.type) else column.type
    texts = (pt.is_string, pt.is_large_string, pt.is_string_view, pt.is_integer, pt.is_null)
    if not any(is_kind(kind) for is_kind in texts):
        raise UserInputError(
            f"the column {name} holds {kind}, not text", on=str(path), remedy=f"write {name} as text (a string column)"
        )
    return ["" if value is None else str(value).strip() for value in column.to_pylist()]


def _parquet(path: Path, *, columns_only: bool = False) -> Any:
    try:
        return pq.read_schema(path).empty_table() if columns_only else pq.ParquetFile(path).read()
    except (pa.ArrowException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserInputError(
            f"the Parquet file cannot be read ({reason})",
            on=str(path),
            remedy="write it again, with the columns path, class and optionally split",
        ) from None


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Within the block, the system's errors about a file become a `UserInputError`."""
    try:
        yield
    except OSError as error:
        raise UserInputError(
            f"it cannot be read: {error.strerror}", on=str(path), remedy="check the file and its permissions"
        ) from None


def added_rows(table: Text, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> bytes:
    """Rows in the form of a text table, to be appended after its last byte."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=table.delimiter, lineterminator=table.line_end)
    writer.writerows([row.get(name, "") for name in columns] for row in rows)
    return (("" if table.ends_with_line else table.line_end) + out.getvalue()).encode(table.encoding)
