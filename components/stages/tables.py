"""The Parquet tables that stages hand to each other."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.errors import UserInputError
from components.files import atomic_path

__all__ = ["read_table", "write_tables"]


def write_tables(folder: Path, **tables: pa.Table) -> None:
    """Write each table to `folder/NAME.parquet`; the same table gives the same bytes."""
    for name, table in tables.items():
        with atomic_path(folder / f"{name}.parquet") as beside:
            pq.write_table(table, beside)


def read_table(folder: Path, name: str) -> pa.Table:
    """Read `folder/NAME.parquet`.

    Raises:
        UserInputError: it is not there; the stage before has not run.
    """
    path = folder / f"{name}.parquet"
    if not path.is_file():
        raise UserInputError(
            "the output of an earlier stage is missing", on=str(path), remedy="run `shotline train` or `dvc repro`"
        )
    return pq.read_table(path)
