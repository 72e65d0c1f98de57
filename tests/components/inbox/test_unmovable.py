"""What was dealt with and cannot be moved is remembered: what is live does not come back when it is taken away."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.errors import UserInputError
from components.inbox import Filing, Found, Inbox

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = UserInputError("the file is cut off", on="somewhere", remedy="copy it again")
NOBODY = 65534


@pytest.fixture
def inbox() -> Iterator[Inbox]:
    """Where other users may look: pytest's own folders are one user's."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "inbox/rust").mkdir(parents=True)
        (Path(folder) / "inbox/rust/1.jpg").write_bytes(b"first")
        yield Inbox(Path(folder) / "inbox")


def names(inbox: Inbox) -> list[str]:
    return [each.path.name for arrival in inbox.look() for each in arrival.takable]


def first(inbox: Inbox) -> Found:
    return inbox.look()[0].takable[0]


@contextlib.contextmanager
def as_nobody(inbox: Inbox) -> Iterator[None]:
    """A user who may not change the class's folder, though the inbox; root may change anything."""
    (inbox.folder / "rust").chmod(0o555)
    if os.geteuid() == 0:
        os.chown(inbox.folder, NOBODY, NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        (inbox.folder / "rust").chmod(0o755)


@contextlib.contextmanager
def another_disk(inbox: Inbox, ending: str = ".done") -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
    try:
        if folder.stat().st_dev == inbox.folder.stat().st_dev:
            pytest.skip("no other disk here")
        (inbox.folder / ending).symlink_to(folder)
        yield folder
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def a_file_in_the_way(inbox: Inbox) -> Iterator[None]:
    for ending in (".done", ".rejected"):
        (inbox.folder / ending).write_bytes(b"")
    yield
    for ending in (".done", ".rejected"):
        (inbox.folder / ending).unlink()


HINDRANCES: list[Callable[[Inbox], contextlib.AbstractContextManager[None]]] = [as_nobody, a_file_in_the_way]


@pytest.mark.parametrize("ending", ["done", "rejected"])
@pytest.mark.parametrize("hindrance", HINDRANCES)
def test_it_stays_is_told_and_is_not_taken_again_even_by_the_next_watcher(
    inbox: Inbox, hindrance: Callable[[Inbox], contextlib.AbstractContextManager[None]], ending: str
) -> None:
    photo = first(inbox)
    with hindrance(inbox):
        filing = inbox.filing()
        if ending == "done":
            assert filing.done([photo]) == [photo.path]
        else:
            assert filing.reject(photo, REASON) == photo.path
        filing.write("rust is live")

        assert list(filing.stuck) == [photo.path]
        assert photo.path.read_bytes() == b"first"
        assert names(inbox) == []
        another = Inbox(inbox.folder)
        with another.only_one():
            assert names(another) == []

    with another.only_one():  # now it can be moved
        assert not photo.path.exists()
    (lies,) = inbox.folder.glob(f".{ending}/*/rust/1.jpg")
    assert lies.read_bytes() == b"first"
    assert not (inbox.folder / ".taken.json").exists()


def test_what_is_changed_is_taken_anew(inbox: Inbox) -> None:
    with a_file_in_the_way(inbox):
        inbox.filing().done([first(inbox)])
        assert names(inbox) == []
        (inbox.folder / "rust/1.jpg").write_bytes(b"another photo of that name")
        assert names(inbox) == ["1.jpg"]
        assert names(Inbox(inbox.folder)) == ["1.jpg"]


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_onto_another_disk_it_is_copied_and_removed(inbox: Inbox, kind: str) -> None:
    source = inbox.folder / "rust/1.jpg"
    if kind != "file":
        source.unlink()
    if kind == "link":
        source.symlink_to("nowhere")
    elif kind == "folder":
        source.mkdir()
        (source / "2.jpg").write_bytes(b"second")
        (source / "3.jpg").symlink_to("/")
    with another_disk(inbox, ".rejected") as disk:
        filing = inbox.filing()
        target = filing.reject(first(inbox), REASON)
        filing.write()

        assert target is not None
        assert target.resolve().is_relative_to(disk) or kind == "link"
        assert not os.path.lexists(source)
        assert not filing.stuck
        if kind == "file":
            assert target.read_bytes() == b"first"
        elif kind == "link":
            assert target.readlink() == Path("nowhere")
        else:
            assert (target / "2.jpg").read_bytes() == b"second"
            assert (target / "3.jpg").is_symlink()


def test_what_cannot_be_removed_after_the_copy_leaves_no_copy(inbox: Inbox) -> None:
    with another_disk(inbox) as disk:
        disk.chmod(0o777)
        with as_nobody(inbox):
            filing = inbox.filing()
            filing.done([first(inbox)])
            filing.write()
            assert len(filing.stuck) == 1
            assert names(inbox) == []
        assert not list(disk.rglob("1.jpg"))


def test_a_pipe_in_a_folder_on_another_disk_is_no_reason_to_hang(inbox: Inbox) -> None:
    (inbox.folder / "rust/1.jpg").unlink()
    (inbox.folder / "rust/more").mkdir()
    os.mkfifo(inbox.folder / "rust/more/pipe")
    with another_disk(inbox, ".rejected"):
        filing = inbox.filing()
        filing.reject(first(inbox), REASON)
        assert "can be copied" in next(iter(filing.stuck.values()))
        assert names(inbox) == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="only Linux says who writes")
def test_what_somebody_writes_is_never_taken_away(inbox: Inbox) -> None:
    photo = first(inbox)
    with photo.path.open("ab"):
        assert Filing(inbox.folder, NOON).done([photo]) == []
        assert Filing(inbox.folder, NOON).reject(photo, REASON) is None
    assert photo.path.read_bytes() == b"first"
    assert names(inbox) == ["1.jpg"]


def test_an_inbox_that_cannot_be_written_to_is_refused_before_anything_is_taken(inbox: Inbox) -> None:
    inbox.folder.chmod(0o555)
    with as_nobody_only(inbox), pytest.raises(UserInputError, match="nothing can be written"), inbox.only_one():
        pass
    inbox.folder.chmod(0o755)


@contextlib.contextmanager
def as_nobody_only(inbox: Inbox) -> Iterator[None]:
    if os.geteuid() == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)


def test_a_damaged_memory_is_as_none(inbox: Inbox) -> None:
    for content in (b"{", b"[]", b'{"rust/1.jpg": ["done"]}', b"\xff", b'{"rust/1.jpg": 1}'):
        (inbox.folder / ".taken.json").write_bytes(content)
        assert names(Inbox(inbox.folder)) == ["1.jpg"]
