"""The history of each photo: the rows of Feast's view `photo_states`.

A photo of `data/raw` is known since `ingest.since`, a photo of an arrival since its time in the ledger, a photo of the
pool since its time in the index. Times are recorded data, never a file's date; a clock that was set back does not
reorder the ledger.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.artefacts import PhotoTables
from components.bank import Ledger, LedgerEntry, event_times, states
from components.files import atomic_path
from components.ingest import IngestSettings
from components.pool import Pool
from components.workspace import Workspace

__all__ = ["PHOTO_STATES", "photo_history", "photo_history_file", "write_photo_history"]

PHOTO_STATES = pa.schema(
    [
        ("image_id", pa.string()),
        ("in_raw", pa.bool_()),
        ("in_pool", pa.bool_()),
        ("added_class", pa.string()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
    ]
)
"""A row is a photo's state from `event_timestamp` on: whether it lies in `data/raw`, whether it is in the pool, and the
class for which an arrival brought it (empty if none, or if it was removed).
"""


def photo_history_file(workspace: Workspace) -> Path:
    """The file of the history: derived, not tracked, and written anew at each use."""
    return workspace.features_cache / "photo_states.parquet"


def write_photo_history(workspace: Workspace) -> Path:
    """Write `photo_history` to `photo_history_file`."""
    path = photo_history_file(workspace)
    with atomic_path(path) as beside:
        pq.write_table(photo_history(workspace), beside)
    return path


def photo_history(workspace: Workspace) -> pa.Table:
    """Rows of `PHOTO_STATES`, in the order of time for each photo.

    Raises:
        UserInputError: the stage ingest has not run.
    """
    since = datetime.fromisoformat(workspace.parameters.section("ingest", IngestSettings).since)
    entries = Ledger(workspace.ledger).entries()
    consolidated = {photo for entry in entries if entry.action == "consolidate" for photo in entry.photos}
    rows = [
        (image_id, True, False, "", since)
        for image_id in PhotoTables(workspace.validated).manifest(["id"])["id"].to_pylist()
        if image_id not in consolidated
    ]
    for photo in Pool(workspace.pool).photos():
        rows.append((photo.photo, False, True, "", datetime.fromisoformat(photo.time)))
    rows += _of_ledger(entries)
    return pa.Table.from_pylist([dict(zip(PHOTO_STATES.names, row, strict=True)) for row in rows], schema=PHOTO_STATES)


def _of_ledger(entries: list[LedgerEntry]) -> Iterator[tuple[str, bool, bool, str, datetime]]:
    """One row for each entry that changes a photo's state."""
    times = event_times(entries)
    held: dict[str, tuple[bool, str]] = {}
    raw: set[str] = set()
    for number, state in enumerate(states(entries, frozenset())):
        if number and entries[number - 1].action == "consolidate":
            raw |= {*entries[number - 1].photos}
        now = {photo: each.name for each in state.classes.values() for photo in each.photos}
        for photo in dict.fromkeys([*held, *now, *raw]):
            holds = (photo in raw, now.get(photo, ""))
            if held.get(photo, (False, "")) != holds:
                held[photo] = holds
                yield (photo, holds[0], False, holds[1], times[number - 1])
