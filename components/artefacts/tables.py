"""Parquet tables on disk."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.artefacts.missing import existing
from components.files import atomic_path

__all__ = ["read_table", "write_table"]


def write_table(path: Path, table: pa.Table, schema: pa.Schema) -> None:
    """Write the table; the same table gives the same bytes.

    Raises:
        ValueError: it has other columns or types than `schema`.
    """
    if not table.schema.equals(schema):
        raise ValueError(f"{path.name}: its columns are {table.schema}; expected {schema}")
    with atomic_path(path) as beside:
        pq.write_table(table, beside)


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """The table, or the named columns of it.

    Raises:
        UserInputError: it is not there; the stage that writes it has not run.
    """
    return pq.read_table(existing(path), columns=None if columns is None else list(columns))
