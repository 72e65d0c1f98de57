"""What is seen in an inbox, and where what was dealt with goes: nothing is lost, followed or overwritten."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.errors import UserInputError
from components.inbox import Filing, Found, Inbox

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = UserInputError("the file is cut off", on="somewhere", remedy="copy it again")


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    folder = tmp_path / "inbox"
    (folder / "rust/more").mkdir(parents=True)
    (folder / "empty").mkdir()
    (folder / ".done").mkdir()
    (folder / "beside.jpg").write_bytes(b"beside")
    (folder / "rust/1.jpg").write_bytes(b"first")
    (folder / "rust/2.JPG.CRDOWNLOAD").write_bytes(b"half")
    (folder / "rust/.3.jpg.x7").write_bytes(b"half")
    (folder / "rust/4.jpg").symlink_to(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/5.jpg").write_bytes(b"fifth")
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(folder / "rust/pipe")
    return Inbox(folder)


def found(inbox: Inbox, path: str) -> Found:
    wanted = inbox.folder / path
    return next(each for arrival in inbox.look() for each in arrival.found if each.path == wanted)


def test_everything_is_seen_as_what_it_is(inbox: Inbox) -> None:
    seen = {arrival.name: {each.path.name: each.kind for each in arrival.found} for arrival in inbox.look()}

    assert seen == {
        "": {"beside.jpg": "file", "linked": "link"},
        "rust": {
            "1.jpg": "file",
            "2.JPG.CRDOWNLOAD": "under_way",
            ".3.jpg.x7": "under_way",
            "4.jpg": "link",
            "more": "folder",
            "pipe": "device",
        },
    }


def test_what_is_dealt_with_lies_under_its_class_with_a_text(inbox: Inbox, tmp_path: Path) -> None:
    filing = Filing(inbox.folder, NOON)
    filing.done([found(inbox, "rust/1.jpg")])
    filing.reject(found(inbox, "beside.jpg"), REASON)
    filing.reject(found(inbox, "rust/4.jpg"), REASON)
    filing.reject(found(inbox, "rust/more"), REASON)
    filing.write("rust is live")

    done, rejected = inbox.folder / ".done/2026-03-01T12-00-00Z", inbox.folder / ".rejected/2026-03-01T12-00-00Z"
    assert (done / "rust/1.jpg").read_bytes() == b"first"
    assert (done / "outcome.txt").read_text() == "rust is live\n"
    assert sorted(path.name for path in (rejected / "rust").iterdir()) == ["4.jpg", "more"]
    assert (rejected / "rust/4.jpg").readlink() == tmp_path
    told = (rejected / "reason.txt").read_text()
    assert "beside.jpg\nrust/4.jpg\nrust/more\n  what: the file is cut off\n  do:   copy it again\n" in told
    assert [arrival.name for arrival in inbox.look()] == ["", "rust"]  # the link beside, the pipe


def test_nothing_is_made_for_nothing_and_nothing_is_overwritten(inbox: Inbox) -> None:
    Filing(inbox.folder, NOON).write("nothing")
    assert not (inbox.folder / ".rejected").exists()
    first, second = Filing(inbox.folder, NOON), Filing(inbox.folder, NOON)
    first.done([found(inbox, "rust/1.jpg")])
    (inbox.folder / "rust/1.jpg").write_bytes(b"another of that name")
    second.done([found(inbox, "rust/1.jpg")])

    assert [folder.name for folder in sorted((inbox.folder / ".done").iterdir())] == [
        "2026-03-01T12-00-00Z",
        "2026-03-01T12-00-00Z-2",
    ]


@pytest.mark.parametrize("into", ["done", "reject"])
def test_what_changed_meanwhile_stays(inbox: Inbox, into: str) -> None:
    filing, photo = Filing(inbox.folder, NOON), found(inbox, "rust/1.jpg")
    photo.path.write_bytes(b"a better photo")

    moved = filing.done([photo]) if into == "done" else filing.reject(photo, REASON)
    assert not moved
    assert found(Inbox(inbox.folder), "rust/1.jpg").kind == "file"  # to be taken anew
    assert photo.path.read_bytes() == b"a better photo"


def test_a_name_that_is_no_text_can_be_told(inbox: Inbox) -> None:
    (inbox.folder / "rust" / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
    filing = Filing(inbox.folder, NOON)
    filing.reject(found(inbox, f"rust/{os.fsdecode(bytes([255]))}.jpg"), REASON)
    filing.write()

    assert "rust/\N{REPLACEMENT CHARACTER}.jpg" in (filing.folders["rejected"] / "reason.txt").read_text()


def test_one_takes_from_it_at_a_time(inbox: Inbox) -> None:
    with (
        inbox.only_one(),
        pytest.raises(UserInputError, match="another process watches"),
        Inbox(inbox.folder).only_one(),
    ):
        pass
    with Inbox(inbox.folder).only_one():
        pass


def test_an_inbox_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="no folder"):
        Inbox(tmp_path / "nobody")
