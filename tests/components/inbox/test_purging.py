"""Of `.done` and `.rejected` the oldest go, and nothing that a person has put there."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from components.inbox import beyond, filed_folders, remove


@pytest.fixture
def inbox(tmp_path: Path) -> Path:
    for folder, size in (
        (".done/2026-01-01T00-00-00Z", 10),
        (".done/2026-01-02T00-00-00Z-2", 20),
        (".rejected/2026-01-03T00-00-00Z", 30),
        (".done/mine", 40),
    ):
        photo = tmp_path / "inbox" / folder / "rust/1.jpg"
        photo.parent.mkdir(parents=True)
        photo.write_bytes(b"p" * size)
        os.utime(tmp_path / "inbox" / folder, (time.time() - 100,) * 2)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.jpg").write_bytes(b"elsewhere")
    (tmp_path / "inbox/.done/2026-01-04T00-00-00Z").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "inbox/.done/2026-01-01T00-00-00Z/link").symlink_to(tmp_path / "elsewhere")
    os.utime(tmp_path / "inbox/.done/2026-01-01T00-00-00Z", (time.time() - 100,) * 2)
    (tmp_path / "inbox/.done/2026-01-05T00-00-00Z").mkdir()  # under way
    return tmp_path / "inbox"


def test_the_oldest_go_first_and_only_as_many_as_must(inbox: Path) -> None:
    found = filed_folders(inbox)
    assert [(each.ending, each.files) for each in found] == [("done", 1), ("done", 1), ("rejected", 1)]
    total = sum(each.size_bytes for each in found)

    assert beyond(found, total) == []
    assert beyond(found, total - 1) == found[:1]
    assert beyond(found, 0) == found


def test_links_go_and_what_they_lead_to_stays_and_so_does_what_a_person_put_there(inbox: Path, tmp_path: Path) -> None:
    remove(filed_folders(inbox))

    assert sorted(path.name for path in (inbox / ".done").iterdir()) == [
        "2026-01-04T00-00-00Z",
        "2026-01-05T00-00-00Z",
        "mine",
    ]
    assert (tmp_path / "elsewhere/1.jpg").read_bytes() == b"elsewhere"
    assert list((inbox / ".rejected").iterdir()) == []
