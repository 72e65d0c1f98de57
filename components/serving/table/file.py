"""The table's file: rows are written as they come, so that a stopped run can continue.

Until the end rows lie in `FILE.part`, a JSON object per line, each written at once; a line that was cut off is
discarded. At the end they become `FILE`, which is written beside and renamed: a file named FILE is complete.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import UserInputError
from components.files import atomic_path
from components.serving.table.rows import COLUMNS, Row, csv_line, csv_rows

__all__ = ["SCHEMA", "TableFile", "require_place"]

SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("class", pa.string()),
        ("probability", pa.float64()),
        ("second", pa.string()),
        ("second_probability", pa.float64()),
        ("likely", pa.list_(pa.string())),
        ("abstained", pa.bool_()),
        ("bank", pa.string()),
        ("error", pa.string()),
        ("flaw", pa.string()),
    ]
)
"""`COLUMNS` with their types in Parquet."""

_SIGNATURE = "\ufeff"
_BEGIN = b"["  # of each line of FILE.part
_ROWS_AT_ONCE = 10_000


class TableFile:
    """A CSV or Parquet file of rows, made in one run or in several.

    Args:
        path: the file; `.parquet` for Parquet.
        bank: the version that answers.
        kind: `csv` or `parquet`.
        signature: begin CSV with the mark by which Excel recognises UTF-8.
        anew: discard the existing rows.

    Attributes:
        done: the photos that have a row.

    Raises:
        UserInputError: the file is no table of answers, or it has rows of another version.
    """

    def __init__(
        self, path: Path, bank: str, *, kind: str = "csv", signature: bool = False, anew: bool = False
    ) -> None:
        self.path, self.kind, self._bank, self._signature = path, kind, bank, signature
        self.part = path.with_name(f"{path.name}.part")
        require_place(path)
        if anew:
            self.part.unlink(missing_ok=True)
        elif self.part.is_file():
            _cut_to_whole_lines(self.part)
        elif path.is_file():
            self._take_over()
        self.done = {row["path"] for row in self.rows()}
        self._journal: IO[str] | None = None

    def add(self, rows: Iterable[Row]) -> None:
        """Write rows durably."""
        if self._journal is None:
            self._journal = self.part.open("a", encoding="utf-8")
        for row in rows:
            self._journal.write(_line(row))
            self.done.add(row["path"])
        self._journal.flush()

    def close(self) -> None:
        """Stop writing; the rows so far stay in `FILE.part`."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def finish(self, keep: Callable[[Row], bool] | None = None) -> int:
        """Write the file from the rows that `keep` accepts (None: all), in their order; returns how many."""
        self.close()
        with atomic_path(self.path) as beside:
            rows = (row for row in self.rows() if keep is None or keep(row))
            written = (_write_parquet if self.kind == "parquet" else self._write_csv)(beside, rows)
        self.part.unlink(missing_ok=True)
        return written

    def rows(self) -> Iterator[Row]:
        """The rows so far, in their order; raises as the class does."""
        if not self.part.is_file():
            return
        with self.part.open(encoding="utf-8") as lines:
            for line in lines:
                try:
                    row = dict(zip(COLUMNS, json.loads(line), strict=True))
                except (ValueError, TypeError):
                    raise _no_rows(self.part) from None
                self._check_version(row)
                yield row

    def _check_version(self, row: Row) -> None:
        if row["bank"] not in (None, self._bank):
            raise UserInputError(
                f"it holds answers of the version {row['bank']}, and {self._bank} answers now",
                on=str(self.path if self.path.is_file() else self.part),
                remedy="add --anew to ask again about every photo, or name another file",
            )

    def _take_over(self) -> None:
        """Take over the rows of a file that an earlier run has finished."""
        try:
            with atomic_path(self.part) as beside, beside.open("w", encoding="utf-8") as journal:
                for row in _parquet_rows(self.path) if self.kind == "parquet" else _csv_file_rows(self.path):
                    self._check_version(row)
                    journal.write(_line(row))
        except UserInputError:
            raise
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise UserInputError(
                f"it is there, and is no table of answers ({error})",
                on=str(self.path),
                remedy="name another file, or add --anew to write over it",
            ) from None

    def _write_csv(self, path: Path, rows: Iterable[Row]) -> int:
        written = 0
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write((_SIGNATURE if self._signature else "") + ",".join(COLUMNS) + "\r\n")
            for row in rows:
                file.write(csv_line(row))
                written += 1
        return written


def require_place(path: Path) -> None:
    """See that a file can be written at `path`.

    Raises:
        UserInputError: it is a folder, or lies in none that is there and may be written to.
    """
    if path.is_dir():
        raise UserInputError("it is a folder", on=str(path), remedy="name a file")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UserInputError(
            "no file can be written there",
            on=str(path),
            remedy="name a file in a folder that is there and that you may write to",
        )


def _no_rows(part: Path) -> UserInputError:
    return UserInputError(
        "it is there, and holds no rows of answers to go on from",
        on=str(part),
        remedy="move it away, or add --anew to begin again",
    )


def _line(row: Row) -> str:
    return json.dumps([row[name] for name in COLUMNS], ensure_ascii=False) + "\n"


def _write_parquet(path: Path, rows: Iterable[Row]) -> int:
    written = 0
    with pq.ParquetWriter(path, SCHEMA) as writer:
        for part in _parts(rows):
            writer.write_table(pa.Table.from_pylist(part, schema=SCHEMA))
            written += len(part)
        if not written:
            writer.write_table(SCHEMA.empty_table())
    return written


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == _ROWS_AT_ONCE:
            yield part
            part = []
    if part:
        yield part


def _csv_file_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        yield from csv_rows(file)


def _parquet_rows(path: Path) -> Iterator[dict[str, Any]]:
    with contextlib.closing(pq.ParquetFile(path)) as file:
        if tuple(file.schema_arrow.names) != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        for batch in file.iter_batches():
            yield from batch.to_pylist()


def _cut_to_whole_lines(path: Path) -> None:
    """Discard an incomplete last line, which a killed process has left; a file that did not begin as ours stays as it is."""
    with path.open("rb+") as file:
        if file.read(1) not in (b"", _BEGIN):
            raise _no_rows(path)
        at, tail = file.seek(0, 2), b""
        while at > 0 and b"\n" not in tail:
            start = max(0, at - 65536)
            file.seek(start)
            tail, at = file.read(at - start), start
        file.truncate(at + tail.rfind(b"\n") + 1)
