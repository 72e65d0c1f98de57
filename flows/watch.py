"""`shotline watch`: an inbox is looked at until somebody says stop, and what has settled goes live in this process.

Backbone, words and libraries are loaded once. A bad arrival is moved aside; what is nobody's mistake there (a full
disk, a share that is away) leaves the photos where they are, and they are tried again after a pause.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, TypeVar

from components.errors import ShotlineError
from components.inbox import Arrival, Found, Inbox, InboxSettings, Settling, beyond, filed_folders, remove
from components.live.intake import open_inbox, take_in
from components.live.keeping_online import keep_online
from components.live.keeping_tracked import keep_tracked
from components.live.opening import LiveWorkspace
from components.live.outcome import Taken
from components.live.telling import explain_taken
from components.live.watchers import WatcherNote
from components.running import Runner, run_plainly
from components.workspace import Workspace

__all__ = ["Announcing", "Handled", "Handler", "Taking", "stopped_by_signals", "watch"]

_LONGEST_PAUSE_S = 300.0
_ANNOUNCE_AGAIN_S = 120.0
_ECHO_S = 1.0

T = TypeVar("T")
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Handled:
    """What a handler could not finish.

    Attributes:
        failed: by the name of the arrival; it is tried again after a pause.
        unfinished: what is to be left alone until it changes or can be judged.
    """

    failed: Mapping[str, Exception] = field(default_factory=dict)
    unfinished: Sequence[Found] = ()


class Handler(Protocol):
    """Does something with arrivals that have settled."""

    def __call__(self, arrivals: Sequence[Arrival], /) -> Handled | None:
        """Do it; called again with those that are still there and as they were. None: all of it is done."""


# Over 60 lines: what failed, and when it may be tried again, is the state of this one loop.
def watch(
    inbox: Inbox,
    settings: InboxSettings,
    handle: Handler,
    stop: threading.Event,
    tell: Tell,
    pause_s: float = 5.0,
    beat: Callable[[], None] = lambda: None,
) -> None:
    """Look at the inbox until `stop` is set; an arrival that is being handled then is finished first.

    Args:
        inbox: what is watched.
        settings: how.
        handle: called with what has settled, and where that fails with each arrival by itself that is as it was.
        stop: ends it.
        tell: hears of what goes wrong.
        pause_s: before an arrival that failed is tried again; twice as long after each further time. Others go on.
        beat: called before each look.
    """
    settling = Settling(settings.settle_s, unfinished_s=settings.unfinished_s)
    failed: dict[Arrival, tuple[float, float]] = {}  # when it may be tried again, and the pause before that
    reachable = True

    def fail(arrival: Arrival, error: Exception) -> None:
        pause = min(2 * failed[arrival][1] if arrival in failed else pause_s, _LONGEST_PAUSE_S)
        failed[arrival] = (time.monotonic() + pause, pause)
        tell(f"{arrival.name}: {_named(error)}; it stays in the inbox and is tried again in {pause:.0f} s")

    def attempt(arrivals: Sequence[Arrival]) -> None:
        try:
            # Not in the main thread: a signal would break into it wherever it is, and Prefect takes signals there.
            handled = aside.submit(handle, arrivals).result() or Handled()
        except Exception as error:  # noqa: BLE001 (a watcher that dies of one arrival takes none of the next)
            if len(arrivals) == 1:
                fail(arrivals[0], error)
                return
            for arrival in arrivals:
                if arrival.is_unchanged():  # else it was taken before the other failed, or is looked at anew
                    attempt([arrival])
            return
        settling.leave(handled.unfinished)
        for arrival in arrivals:
            if error_of_it := handled.failed.get(arrival.name):
                fail(arrival, error_of_it)

    with ThreadPoolExecutor(1, thread_name_prefix="arrival") as aside:
        while not stop.is_set():
            beat()
            try:
                there = inbox.look()
            except OSError as error:
                if reachable:
                    tell(f"the inbox cannot be read: {_named(error)}; waiting for it")
                reachable = False
                stop.wait(pause_s)
                continue
            reachable = True
            settled = settling.settled(there)
            for found in settling.abandoned():
                tell(
                    f"{found.path.parent.name}/{found.path.name}: not whole yet, by its name; waiting for its own name"
                )
            failed = {arrival: when for arrival, when in failed.items() if arrival in settled}
            now = time.monotonic()
            if due := [arrival for arrival in settled if failed.get(arrival, (now, 0.0))[0] <= now]:
                attempt(due)
            stop.wait(settings.poll_s)


class Taking:
    """Makes arrivals live.

    Args:
        workspace: see `Workspace`.
        inbox: what is watched.
        settings: of the inbox.
        tell: hears what came of each arrival.
        flow: how arrivals are taken so that a Prefect server shows it; plainly where None.
    """

    def __init__(
        self,
        workspace: Workspace,
        inbox: Inbox,
        settings: InboxSettings,
        tell: Tell,
        flow: Callable[[Path, list[str], Workspace, Callable[[Runner], Taken]], Taken] | None = None,
    ) -> None:
        self._root = workspace.root
        self._inbox = inbox
        self._settings = settings
        self._tell = tell
        self._flow = flow
        self._workspace = workspace
        self._live = LiveWorkspace.open(workspace)
        self._live.warm()

    def __call__(self, arrivals: Sequence[Arrival]) -> Handled:
        """Take them in, and say what came of it."""
        names = [arrival.name for arrival in arrivals]
        counts = [
            f"{name or 'beside the folders'}: {len(each.takable)}" for name, each in zip(names, arrivals, strict=True)
        ]
        self._tell(f"settled: {', '.join(counts)}")
        start = time.monotonic()
        live = self._live_now()
        steps = _Seconds()

        def take(run: Runner) -> Taken:
            return take_in(self._inbox, arrivals, live, self._settings, steps.around(run))

        taken = take(run_plainly) if self._flow is None else self._shown(names, take)
        self._tell(f"{explain_taken(taken)}\n{time.monotonic() - start:.1f} s ({steps})")
        if failure := keep_online(self._workspace):
            self._tell(f"Feast's online store is behind: {failure}")
        keep_tracked(self._workspace)
        self._keep_filed_small()
        return Handled(taken.failed, list(taken.unfinished))

    def _keep_filed_small(self) -> None:
        """What is in `.done` beyond its limit goes; what is in `.rejected` may be the only copy, so it is told."""
        most = int(self._settings.filed_gb * 1e9)
        filed = filed_folders(self._inbox.folder)
        if old := beyond([each for each in filed if each.ending == "done"], most):
            with contextlib.suppress(OSError):  # it is tried again after the next arrival
                remove(old)
        if beyond([each for each in filed if each.ending == "rejected"], most):
            self._tell(f".rejected holds more than inbox.filed_gb: shotline purge --inbox {self._inbox.folder}")

    def _shown(self, names: list[str], take: Callable[[Runner], Taken]) -> Taken:
        assert self._flow is not None
        from flows.prefect_server import require_server

        try:
            require_server("start it again")
        except ShotlineError as error:
            self._tell(f"{error.what} ({error.on}); this arrival is not shown there")
            return take(run_plainly)
        return self._flow(self._inbox.folder, names, self._workspace, take)

    def _live_now(self) -> LiveWorkspace:
        """The warm one, opened anew where `params.yaml` has changed since."""
        now = Workspace(self._root)
        if now.parameters != self._workspace.parameters:
            self._tell("params.yaml has changed; it is read again")
            self._workspace, self._live = now, LiveWorkspace.open(now)
        return self._live


class _Seconds:
    """What each step took."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def around(self, run: Runner) -> Runner:
        def timed(name: str, step: Callable[[], T], /) -> T:
            start = time.monotonic()
            try:
                return run(name, step)
            finally:
                self._seconds[name] = self._seconds.get(name, 0.0) + time.monotonic() - start

        return timed

    def __str__(self) -> str:
        return ", ".join(f"{name} {seconds:.2f}" for name, seconds in self._seconds.items())


class Announcing:
    """Emits an event for arrivals that settled together, for a deployment elsewhere that takes them; says it again while
    nobody does.

    Args:
        announce: emits the event of classes' folders.
        tell: hears what was announced.
        again_s: arrivals that nobody took for so long are announced once more.
        in_hand: whether somebody is about to take what was announced; asked before it is announced again.
    """

    def __init__(
        self,
        announce: Callable[[Sequence[str]], None],
        tell: Tell,
        again_s: float = _ANNOUNCE_AGAIN_S,
        in_hand: Callable[[], bool] = lambda: False,
    ) -> None:
        self._announce = announce
        self._tell = tell
        self._again_s = again_s
        self._in_hand = in_hand
        self._announced: dict[Arrival, float] = {}

    def __call__(self, arrivals: Sequence[Arrival]) -> None:
        """Announce those that are new, or were announced long ago."""
        now = time.monotonic()
        self._announced = {arrival: since for arrival, since in self._announced.items() if arrival in arrivals}
        new = [arrival for arrival in arrivals if arrival not in self._announced]
        old = [arrival for arrival, since in self._announced.items() if now - since >= self._again_s]
        if old and self._in_hand():
            self._announced |= dict.fromkeys(old, now)
            old = []
        if due := new + old:
            names = [arrival.name for arrival in due]
            self._announce(names)
            self._announced |= dict.fromkeys(due, now)
            self._tell(f"announced: {', '.join(names)}")


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second one, not just the first's echo, does what it always does."""
    stop = threading.Event()
    before: dict[int, Any] = {}
    first = 0.0

    def set_stop(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if not stop.is_set():
            first = time.monotonic()
            stop.set()
        elif time.monotonic() - first > _ECHO_S:  # process and process group are often both sent the same signal
            signal.signal(number, before[number])
            signal.raise_signal(number)

    numbers: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        before[number] = signal.signal(number, set_stop)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def watch_workspace(workspace: Workspace, folder: Path, tell: Tell, *, announce: bool = False) -> None:
    """What `shotline watch` does; see `watch`.

    Args:
        workspace: see `Workspace`.
        folder: the inbox.
        tell: prints a line for people.
        announce: leave the photos, and emit an event for a deployment that takes them.

    Raises:
        UserInputError: no inbox, another watcher, nothing live, or a Prefect server that does not answer.
    """
    inbox, settings = open_inbox(workspace, folder)
    with stopped_by_signals() as stop:
        if announce:
            from flows.deployments import announce as emit
            from flows.deployments import is_taken
            from flows.prefect_server import require_server

            require_server("start it (prefect server start), or correct PREFECT_API_URL")
            tell(f"watching {inbox.folder}, announcing to the deployment of workspace {workspace.identity[:8]}")
            note = WatcherNote(workspace, inbox.folder, "announces")
            with note.kept():
                announcing = Announcing(lambda names: emit(workspace, names), tell, in_hand=lambda: is_taken(workspace))
                watch(inbox, settings, announcing, stop, tell, beat=note.beat)
        else:
            note = WatcherNote(workspace, inbox.folder, "takes")
            with inbox.only_one(), note.kept():
                taking = Taking(workspace, inbox, settings, tell, _flow())
                keep_online(workspace)
                tell(f"watching {inbox.folder}; Ctrl-C ends it")
                watch(inbox, settings, taking, stop, tell, beat=note.beat)
    tell("stopped")


def _flow() -> Callable[[Path, list[str], Workspace, Callable[[Runner], Taken]], Taken] | None:
    """The flow where a Prefect server is named. Without one arrivals are taken plainly: a temporary server would show
    its runs to nobody, and takes its start and its memory."""
    from flows.prefect_server import require_server, server_url

    if not server_url():
        return None
    require_server("start it (prefect server start), correct PREFECT_API_URL, or watch without it")
    from flows.add_class import run_add_class

    return run_add_class


def _named(error: Exception) -> str:
    if isinstance(error, ShotlineError):
        return f"{error.what} ({error.on})"
    return f"{type(error).__name__}: {error}"
