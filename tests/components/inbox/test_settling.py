"""Photos have settled when nothing changed for a while and nobody writes; not before."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from components.inbox import Inbox, Settling, is_being_written


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


class Watched:
    """An inbox with the photos of one class, and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.photos = folder / "rust"
        self.photos.mkdir()
        (self.photos / "1.jpg").write_bytes(b"first")
        self._clock = Clock()
        self._inbox = Inbox(folder)
        self._settling = Settling(2.0, self._clock)

    def after(self, seconds: float) -> list[str]:
        """Names of those that have settled when so much time has gone by."""
        self._clock.now += seconds
        return [arrival.name for arrival in self._settling.settled(self._inbox.look())]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def test_what_is_seen_first_has_not_settled_however_old_its_times_are(watched: Watched) -> None:
    os.utime(watched.photos / "1.jpg", (1, 1))  # as a copy that keeps times has them from the start

    assert watched.after(50) == []
    assert watched.after(1.9) == []
    assert watched.after(0.1) == ["rust"]


@pytest.mark.parametrize(
    "change",
    [
        lambda photos: (photos / "1.jpg").write_bytes(b"first and more"),
        lambda photos: os.utime(photos / "1.jpg", (1, 1)),
        lambda photos: (photos / "2.jpg").write_bytes(b"second"),
        lambda photos: (photos / "1.jpg").rename(photos / "one.jpg"),
        lambda photos: (photos / "3.jpg.part").write_bytes(b"half"),
        lambda photos: (photos / ".3.jpg.x7").write_bytes(b"half"),
        lambda photos: ((photos / "more").mkdir(), (photos / "more/4.jpg").write_bytes(b"fourth")),
    ],
    ids=["grows", "another time", "one more", "renamed", "a part", "a hidden part", "a folder"],
)
def test_any_change_begins_the_wait_anew(watched: Watched, change: object) -> None:
    watched.after(0)
    assert watched.after(1.9) == []
    change(watched.photos)  # type: ignore[operator]

    assert watched.after(1.9) == []
    assert watched.after(1.9) == []
    assert watched.after(0.1) == ["rust"]


def test_a_part_that_grows_keeps_its_class_waiting_and_one_that_was_left_does_not(watched: Watched) -> None:
    part = watched.photos / "2.jpg.part"
    watched.after(0)
    for size in range(5):
        part.write_bytes(b"x" * size)
        assert watched.after(1.5) == []

    assert watched.after(2) == ["rust"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says who writes")
def test_a_writer_that_pauses_is_waited_for(watched: Watched) -> None:
    watched.after(0)
    with (watched.photos / "1.jpg").open("ab"):
        assert is_being_written(watched.photos / "1.jpg")
        assert watched.after(60) == []

    assert not is_being_written(watched.photos / "1.jpg")
    assert watched.after(0) == ["rust"]


def test_whether_somebody_writes_is_asked_of_files_alone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "photo")

    assert not is_being_written(tmp_path / "pipe")  # opening it for reading would wait for a writer
    with (tmp_path / "photo").open("wb"):
        assert not is_being_written(tmp_path / "link")
    assert not is_being_written(tmp_path / "nobody")


class Unfinished(Watched):
    """As `Watched`, with 60 s for what looks unfinished."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settling = self._settling = Settling(2.0, self._clock, unfinished_s=60.0)

    def names_after(self, seconds: float) -> list[str]:
        """Files of the class that may be taken then."""
        self._clock.now += seconds
        return [each.path.name for arrival in self._settling.settled(self._inbox.look()) for each in arrival.takable]

    def young(self) -> set[str]:
        return {path.name for arrival in self._settling.settled(self._inbox.look()) for path in arrival.young}

    def leave(self, name: str) -> None:
        (arrival,) = self._inbox.look()
        self.settling.leave([each for each in arrival.found if each.path.name == name])


@pytest.fixture
def unfinished(tmp_path: Path) -> Unfinished:
    return Unfinished(tmp_path)


def test_what_was_left_keeps_nobody_waiting_and_comes_again_at_last(unfinished: Unfinished) -> None:
    half = unfinished.photos / "half.jpg"
    half.write_bytes(b"half")
    unfinished.names_after(0)
    assert unfinished.names_after(2) == ["1.jpg", "half.jpg"]
    assert unfinished.young() == {"1.jpg", "half.jpg"}
    unfinished.leave("half.jpg")
    (unfinished.photos / "1.jpg").unlink()  # taken, which begins no wait anew
    assert unfinished.names_after(3) == []
    assert unfinished.names_after(54) == []
    assert unfinished.names_after(1) == ["half.jpg"]
    assert unfinished.young() == set()


def test_what_was_left_comes_as_soon_as_it_has_changed(unfinished: Unfinished) -> None:
    half = unfinished.photos / "1.jpg"
    for size in range(1, 5):
        half.write_bytes(b"x" * size)
        unfinished.names_after(0)
        assert unfinished.names_after(3) == ["1.jpg"]
        assert unfinished.young() == {"1.jpg"}
        unfinished.leave("1.jpg")
        assert unfinished.names_after(0) == []


def test_placeholders_wait_while_others_are_still_filled(unfinished: Unfinished) -> None:
    unfinished.names_after(0)
    unfinished.names_after(2)
    unfinished.leave("1.jpg")
    for number in range(10):
        (unfinished.photos / f"{number + 2}.jpg").write_bytes(b"x")
        unfinished.names_after(0)
        unfinished.names_after(30)
        assert "1.jpg" in unfinished.young()
    for number in range(10, 20):
        (unfinished.photos / f"{number + 2}.jpg").write_bytes(b"x")
        unfinished.names_after(0)
        unfinished.names_after(30)
    assert "1.jpg" not in unfinished.young()  # after ten minutes, whatever else comes


def test_a_doubtful_name_waits_longer_and_is_then_taken(unfinished: Unfinished) -> None:
    (unfinished.photos / "1.jpg").rename(unfinished.photos / "1.jpg_")
    unfinished.names_after(0)
    assert unfinished.names_after(59) == []
    assert unfinished.names_after(1) == ["1.jpg_"]


def test_what_a_program_left_unfinished_is_told_once(unfinished: Unfinished) -> None:
    for name in ("2.jpg.part", ".3.jpg.AbC"):
        (unfinished.photos / name).write_bytes(b"half")
    unfinished.names_after(0)
    assert unfinished.settling.abandoned() == []
    unfinished.names_after(60)
    assert [found.path.name for found in unfinished.settling.abandoned()] == ["2.jpg.part"]
    assert unfinished.settling.abandoned() == []
