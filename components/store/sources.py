"""Source files of the pushed views: recent live versions, for `feast materialize` and joins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.files import atomic_path

__all__ = ["MOST_TIMES", "keep_rows", "source_file"]

MOST_TIMES = 20
"""Number of event times whose rows are kept; older rows are removed."""


def source_file(repository: Path, view: str) -> Path:
    """The file of a pushed view's rows: derived, not tracked, in the workspace's cache."""
    return repository.resolve().parents[1] / "data/cache" / f"{view}.parquet"


def keep_rows(path: Path, rows: Any) -> None:
    """Add rows to the file, replacing those of the same event time; the latest `MOST_TIMES` times are kept.

    Args:
        path: see `source_file`.
        rows: a pandas data frame with the column `event_timestamp`, the same for all.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(rows, preserve_index=False).replace_schema_metadata()
    if path.is_file():
        old = pq.read_table(path)
        if old.schema.equals(table.schema):
            old = old.filter(pc.not_equal(old["event_timestamp"], table["event_timestamp"][0]))
            times = pc.unique(old["event_timestamp"]).sort("descending")[: MOST_TIMES - 1]
            table = pa.concat_tables([old.filter(pc.is_in(old["event_timestamp"], value_set=times)), table])
    with atomic_path(path) as beside:
        pq.write_table(table, beside)
