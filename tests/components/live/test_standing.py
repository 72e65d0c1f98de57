"""How a workspace stands: read off files, told in one screen."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from components.artefacts.metrics import write_metrics
from components.classifier import Bundle
from components.files import sha256_bytes, write_json
from components.live.standing import Behind, standing_of
from components.live.standing_told import explain_standing
from components.live.watchers import WatcherNote, watchers
from components.pool import Pool, PooledPhoto
from components.workspace import Workspace
from tests.support.drawn_rows import drawn_support
from tests.support.drawn_workspace import draw
from tests.support.live_place import Place, photos_of, stamp
from tests.support.saved_bundle import drawn_bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return drawn_bundle(drawn_support(shots=4), ["gda"])[0]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return draw(tmp_path)


def test_nothing_is_live_yet(workspace: Workspace) -> None:
    told = explain_standing(standing_of(workspace))

    assert "nothing yet (shotline train PHOTOS)" in told
    assert "nobody watches one" in told


def test_what_is_live_is_told_with_its_accuracy_as_long_as_that_was_measured_of_it(
    workspace: Workspace, bundle: Bundle
) -> None:
    place = Place(workspace.root, bundle)
    place.live[1].save(workspace.bank)
    metrics = {"shipped": {"top1": 0.875}, "data": {"support": 20, "query": 40}}
    write_metrics(workspace.reports, metrics)

    live = standing_of(workspace).live
    assert live is not None
    assert (live.version, live.trained, live.added) == (bundle.version, 5, 0)
    assert (live.top1, live.evidence, live.measured) == (0.875, "query", 40)

    place.changes.add({"rust": photos_of("rust", 1, 2)}, stamp())
    standing = standing_of(workspace)
    assert standing.live is not None
    assert (standing.live.added, standing.live.top1) == (1, None)
    assert standing.to_consolidate == {"rust": 2}
    assert "2 photos of rust for shotline consolidate" in explain_standing(standing)


def test_what_waits_in_inbox_and_pool_is_counted(workspace: Workspace, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    for name in ("dent/1.jpg", "dent/2.jpg", "rust/1.jpg", ".done/2026-01-01T00-00-00Z/pit/1.jpg"):
        (inbox / name).parent.mkdir(parents=True, exist_ok=True)
        (inbox / name).write_bytes(b"photo")
    contents = [b"one", b"two"]
    Pool(workspace.pool).keep(
        [PooledPhoto(sha256_bytes(each), "", "folder", "2026-01-01T00:00:00+00:00", 3, "AAAA") for each in contents],
        contents,
    )
    Pool(workspace.pool).say([sha256_bytes(b"one")], "none")

    standing = standing_of(workspace, [inbox])
    (found,) = standing.inboxes
    assert (found.photos, found.classes, found.done.files, found.done.size_bytes) == (3, 2, 1, 5)
    assert (standing.pool, standing.to_review) == (2, 1)
    told = explain_standing(standing)
    assert "3 photos wait in 2 classes' folders" in told
    assert "nobody watches it" in told


def test_a_watcher_is_seen_while_it_lives_and_named_when_it_is_silent(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    note = WatcherNote(workspace, tmp_path / "inbox", "takes")
    with note.kept():
        note.beat()
        (watcher,) = watchers(workspace)
        assert (watcher.running, watcher.process, watcher.inbox) == (True, os.getpid(), str(tmp_path / "inbox"))
        assert "last look 0 s ago" in explain_standing(standing_of(workspace))

        (path,) = (workspace.reports / "watchers").iterdir()
        os.utime(path, (time.time() - 90, time.time() - 90))
        assert "at work on an arrival, or stuck" in explain_standing(standing_of(workspace))
    assert not watchers(workspace)[0].running
    assert "nobody watches it, since" in explain_standing(standing_of(workspace))

    # killed: its note says nothing of its end
    facts = json.loads(path.read_text(encoding="utf-8"))
    write_json(path, {**facts, "process": {"id": os.getpid(), "began": 1.0}})
    assert not watchers(workspace)[0].running
    (tmp_path / "inbox").rmdir()
    assert "cannot be read: the inbox is no folder" in explain_standing(standing_of(workspace))


def test_it_is_one_screen_of_80_columns_whatever_is_behind(workspace: Workspace, bundle: Bundle) -> None:
    Place(workspace.root, bundle)
    names = tuple(f"data/arrivals/a rather long name {number}" for number in range(30))
    behind = Behind(
        "database is locked " * 8, "abcdef012345", ("ldc: version 2 here, 3 in this Shotline",), names, names
    )
    many = {f"a class with a long name {number}": 9 for number in range(200)}

    told = explain_standing(replace(standing_of(workspace), behind=behind, to_consolidate=many)).splitlines()

    own = len(str(workspace.root))
    assert max(len(line) for line in told if str(workspace.root) not in line) <= 80, own
    assert len(told) <= 24
    assert any("shotline publish" in line for line in told)
    assert any("and 22 more" in line for line in told)
