"""The watcher's loop: it outlives whatever happens to an arrival, and ends when it is told to."""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from components.errors import UserInputError
from components.inbox import Arrival, Inbox, InboxSettings
from flows.watch import Announcing, Handled, Handler, stopped_by_signals, watch

QUICK = InboxSettings(settle_s=0.01, poll_s=0.01)


@pytest.fixture
def inbox(tmp_path: Path) -> Inbox:
    for name in ("dent", "rust"):
        (tmp_path / "inbox" / name).mkdir(parents=True)
        (tmp_path / "inbox" / name / "1.jpg").write_bytes(b"photo")
    return Inbox(tmp_path / "inbox")


class Recorder:
    """Takes arrivals by removing their folders; fails on some; says stop after the last."""

    def __init__(self, inbox: Inbox, stop: threading.Event, *, fails: dict[str, int] | None = None) -> None:
        self.calls: list[list[str]] = []
        self.told: list[str] = []
        self._inbox = inbox
        self._stop = stop
        self._fails = dict(fails or {})

    def __call__(self, arrivals: Sequence[Arrival]) -> None:
        names = [arrival.name for arrival in arrivals]
        self.calls.append(names)
        for name in names:
            if self._fails.get(name, 0) > 0:
                self._fails[name] -= len(names) == 1
                raise RuntimeError(f"{name} broke it")
            shutil.rmtree(self._inbox.folder / name)
        if not self._inbox.look():
            self._stop.set()


def run(inbox: Inbox, handle: Handler, stop: threading.Event, told: list[str], pause_s: float = 0.02) -> None:
    watch(inbox, QUICK, handle, stop, told.append, pause_s)


def test_classes_that_settle_together_are_taken_together(inbox: Inbox) -> None:
    stop = threading.Event()
    recorder = Recorder(inbox, stop)
    run(inbox, recorder, stop, recorder.told)

    assert (recorder.calls, recorder.told) == ([["dent", "rust"]], [])


def test_one_that_breaks_delays_no_other_and_is_tried_again_after_longer_pauses(inbox: Inbox) -> None:
    stop = threading.Event()
    recorder = Recorder(inbox, stop, fails={"dent": 2})
    run(inbox, recorder, stop, recorder.told, pause_s=0.6)

    assert recorder.calls == [["dent", "rust"], ["dent"], ["rust"], ["dent"], ["dent"]]
    assert [line.partition("again in ")[2] for line in recorder.told] == ["1 s", "1 s"]
    assert "RuntimeError: dent broke it" in recorder.told[0]


def test_one_that_fails_after_others_were_taken_is_no_reason_to_take_those_again(inbox: Inbox) -> None:
    stop, calls, told = threading.Event(), list[list[str]](), list[str]()

    def takes_one_and_breaks(arrivals: Sequence[Arrival]) -> None:
        calls.append([arrival.name for arrival in arrivals])
        if (inbox.folder / "dent/1.jpg").exists():
            (inbox.folder / "dent/1.jpg").unlink()
            raise RuntimeError("rust broke it")
        shutil.rmtree(inbox.folder / "rust")
        stop.set()

    run(inbox, takes_one_and_breaks, stop, told)
    assert calls == [["dent", "rust"], ["rust"]]
    assert told == []


def test_what_a_handler_could_not_finish_is_told_and_tried_again_alone(inbox: Inbox) -> None:
    stop, calls, told = threading.Event(), list[list[str]](), list[str]()

    def takes_what_it_can(arrivals: Sequence[Arrival]) -> Handled:
        calls.append([arrival.name for arrival in arrivals])
        if "dent" in calls[-1]:
            shutil.rmtree(inbox.folder / "dent")
            return Handled(failed={"rust": OSError(28, "No space left on device")})
        stop.set()
        return Handled()

    run(inbox, takes_what_it_can, stop, told)
    assert calls == [["dent", "rust"], ["rust"]]
    assert [line.partition(":")[0] for line in told] == ["rust"]
    assert "No space left" in told[0]


def test_what_looks_unfinished_is_left_alone_until_it_changes(inbox: Inbox) -> None:
    stop, calls = threading.Event(), list[list[int]]()
    shutil.rmtree(inbox.folder / "rust")

    def looks_at_it(arrivals: Sequence[Arrival]) -> Handled:
        (found,) = arrivals[0].takable
        calls.append([found.path.stat().st_size])
        if len(calls) == 3:
            stop.set()
        threading.Timer(0.1, found.path.write_bytes, [b"photo" * (len(calls) + 1)]).start()  # many looks later
        return Handled(unfinished=[found])

    run(inbox, looks_at_it, stop, [])
    assert calls == [[5], [10], [15]]


def test_an_inbox_that_goes_away_is_waited_for(inbox: Inbox) -> None:
    stop = threading.Event()
    recorder = Recorder(inbox, stop)
    away = inbox.folder.rename(inbox.folder.with_name("away"))

    def tell(line: str) -> None:
        recorder.told.append(line)
        away.rename(inbox.folder)

    watch(inbox, QUICK, recorder, stop, tell, pause_s=0.02)
    assert recorder.calls == [["dent", "rust"]]
    assert len(recorder.told) == 1
    assert "cannot be read" in recorder.told[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_after_what_is_being_taken(inbox: Inbox, number: int) -> None:
    handlers = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with stopped_by_signals() as stop:
        recorder = Recorder(inbox, threading.Event())

        def slow(arrivals: Sequence[Arrival]) -> None:
            os.kill(os.getpid(), number)
            assert stop.wait(10)
            os.kill(os.getpid(), number)  # to the process and to its group: one Ctrl-C
            recorder(arrivals)

        run(inbox, slow, stop, recorder.told)

    assert (recorder.calls, recorder.told) == ([["dent", "rust"]], [])
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == handlers


def test_a_second_signal_later_on_does_what_it_always_does(monkeypatch: pytest.MonkeyPatch) -> None:
    # A shell's background job begins with Ctrl-C ignored, and so would this process.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt), stopped_by_signals() as stop:  # noqa: PT012
            signal.raise_signal(signal.SIGINT)
            assert stop.is_set()
            now = time.monotonic()
            monkeypatch.setattr(time, "monotonic", lambda: now + 5)
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, handler)


def test_what_nobody_takes_is_announced_again_and_what_is_new_at_once(inbox: Inbox) -> None:
    said: list[Sequence[str]] = []
    patient = Announcing(said.append, lambda line: None, again_s=1000)
    arrivals = inbox.look()
    patient(arrivals[:1])
    patient(arrivals)
    patient(arrivals)
    assert said == [["dent"], ["rust"]]

    (inbox.folder / "dent/2.jpg").write_bytes(b"one more")
    patient(inbox.look())
    assert said == [["dent"], ["rust"], ["dent"]]

    impatient = Announcing(said.append, lambda line: None, again_s=0)
    impatient(arrivals)
    impatient(arrivals)
    assert said[3:] == [["dent", "rust"]] * 2


def test_what_somebody_is_about_to_take_is_not_announced_again(inbox: Inbox) -> None:
    said: list[Sequence[str]] = []
    in_hand = iter([True, False])
    announcing = Announcing(said.append, lambda line: None, again_s=0, in_hand=lambda: next(in_hand))
    for _ in range(3):
        announcing(inbox.look())

    assert said == [["dent", "rust"]] * 2


def test_an_announcement_that_fails_is_made_again(inbox: Inbox) -> None:
    stop, said, told = threading.Event(), list[str](), list[str]()
    fails = iter([True])

    def announce(names: Sequence[str]) -> None:
        if next(fails, False):
            raise UserInputError("no Prefect server answers there", on="http://nowhere", remedy="start it")
        said.extend(names)
        if set(said) == {"dent", "rust"}:
            stop.set()

    run(inbox, Announcing(announce, lambda line: None, again_s=1000), stop, told)
    assert sorted(said) == ["dent", "rust"]
