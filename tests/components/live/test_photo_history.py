"""What was known of each photo when: the ledger's own times, in the ledger's order."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from components.artefacts import PhotoTables
from components.bank import Ledger, LedgerEntry, event_times, states
from components.files import sha256_bytes
from components.ingest.tables import CLASSES, MANIFEST, QUARANTINE, SAMPLE
from components.live.photo_history import photo_history, write_photo_history
from components.pool import Pool, PooledPhoto
from components.store import PhotoState, PhotoStates
from components.workspace import Workspace
from tests.conftest import REPOSITORY
from tests.support.drawn_workspace import draw

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
POOLED = sha256_bytes(b"pooled")


def at(minute: int) -> datetime:
    return datetime(2026, 2, 1, 0, minute, tzinfo=UTC)


def entry(minute: int, action: str, **more: object) -> LedgerEntry:
    return LedgerEntry(action, "anna", at(minute).isoformat(), "v", **more)  # type: ignore[arg-type]


ARRIVALS = [
    [entry(1, "add", name="rust", photos=("a", "b")), entry(1, "add", name="dent", photos=("c",))],
    [entry(5, "rename", name="rust", new_name="red rust")],
    [entry(3, "add", name="red rust", photos=("d",))],  # the clock was set back
    [entry(7, "consolidate", name="red rust", photos=("a", "b"))],
    [entry(8, "remove", name="dent")],
    [entry(9, "rollback", back_to=4)],
    [entry(10, "add", name="stain", photos=("e",))],
]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two photos from the start, arrivals, one photo in the pool."""
    workspace = draw(tmp_path_factory.mktemp("known"))
    workspace.feature_store.mkdir(parents=True)
    shutil.copy(REPOSITORY / "data/feature_store/feature_store.yaml", workspace.feature_store)
    ledger = Ledger(workspace.ledger)
    for arrival in ARRIVALS:
        with ledger.turn():
            ledger.append(arrival)
    rows = {field.name: pa.nulls(4, field.type) for field in MANIFEST} | {"id": pa.array(["x", "y", "a", "b"])}
    PhotoTables(workspace.validated).write(
        manifest=pa.table(rows, schema=MANIFEST.remove_metadata()),
        quarantine=QUARANTINE.empty_table(),
        sample=SAMPLE.empty_table(),
        classes=CLASSES.empty_table(),
    )
    pooled = PooledPhoto(POOLED, "p.jpg", "folder", at(6).isoformat(), 6, "AAAA")
    Pool(workspace.pool).keep([pooled], [b"pooled"])
    return workspace


def test_times_follow_the_ledgers_order_whatever_a_clock_did(workspace: Workspace) -> None:
    times = event_times(Ledger(workspace.ledger).entries())

    assert times[0] == times[1] == at(1)
    assert times[3] == at(5) + timedelta(microseconds=1)
    assert times == sorted(times)


def test_feasts_join_knows_of_every_moment_what_the_ledger_comes_to(workspace: Workspace) -> None:
    write_photo_history(workspace)
    entries = Ledger(workspace.ledger).entries()
    times = event_times(entries)
    store = PhotoStates(workspace.feature_store)
    photos = sorted({*photo_history(workspace)["image_id"].to_pylist()})
    assert photos == sorted(["x", "y", *"abcde", POOLED])

    for moment in (at(0), at(1), times[3], times[5] - timedelta(microseconds=1), times[6], at(30)):
        number = sum(time <= moment for time in times)
        added = {
            photo: each.name
            for each in states(entries[:number], frozenset())[-1].classes.values()
            for photo in each.photos
        }
        found = store.at(photos, moment)
        assert {photo: state.added_class for photo, state in found.items() if state.added_class} == added
        raw = {"x", "y", *(photo for each in entries[:number] if each.action == "consolidate" for photo in each.photos)}
        assert {photo for photo, state in found.items() if state.in_raw} == raw
        assert found.get(POOLED) == (PhotoState(False, True, "") if moment >= at(6) else None)
    assert store.at(photos, SINCE - timedelta(seconds=1)) == {}
