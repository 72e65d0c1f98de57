"""`shotline watch`: an inbox is looked at until somebody says stop, and what has settled goes live in this process.

Backbone, words and libraries are loaded once. A bad arrival is moved aside; what is nobody's mistake there (a full
disk, a share that is away) leaves the photos where they are, and they are tried again after a pause.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from components.errors import ShotlineError
from components.inbox import Arrival, Inbox, InboxSettings, Settling
from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from flows.classes import Step, run
from flows.intake import Taken, open_inbox, take_in
from flows.online import keep_online

__all__ = ["Announcing", "Handler", "Taking", "stopped_by_signals", "watch"]

_LONGEST_PAUSE_S = 300.0
_ANNOUNCE_AGAIN_S = 120.0

Tell = Callable[[str], None]


class Handler(Protocol):
    """Does something with arrivals that have settled."""

    def __call__(self, arrivals: Sequence[Arrival], settling: Settling, /) -> None:
        """Do it; `settling` can be told that they are handled although they stay."""


def watch(
    inbox: Inbox, settings: InboxSettings, handle: Handler, stop: threading.Event, tell: Tell, pause_s: float = 5.0
) -> None:
    """Look at the inbox until `stop` is set; an arrival that is being handled then is finished first.

    Args:
        inbox: what is watched.
        settings: how.
        handle: called with what has settled.
        stop: ends it.
        tell: hears of what goes wrong.
        pause_s: after a failure; twice as long after each further one.
    """
    settling = Settling(settings.settle_s)
    # Not in the main thread: a signal would break into it wherever it is, and Prefect takes signals for its own there.
    with ThreadPoolExecutor(1, thread_name_prefix="arrival") as aside:
        failures = 0
        while not stop.is_set():
            try:
                settled = settling.settled(inbox.look())
                if settled:
                    aside.submit(handle, settled, settling).result()
                failures = 0
                pause = settings.poll_s
            except Exception as error:  # noqa: BLE001 (a watcher that dies of one arrival takes none of the next)
                pause = min(pause_s * 2**failures, _LONGEST_PAUSE_S)
                failures += 1
                reason = f"{error.what} ({error.on})" if isinstance(error, ShotlineError) else _named(error)
                tell(f"it failed: {reason}; all stays in the inbox and is tried again in {pause:.0f} s")
            stop.wait(pause)


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
        flow: Callable[[Path, list[str], Workspace, Callable[[Step], Taken]], Taken] | None = None,
    ) -> None:
        self._root = workspace.root
        self._inbox = inbox
        self._settings = settings
        self._tell = tell
        self._flow = flow
        self._workspace = workspace
        self._live = LiveWorkspace.open(workspace)
        self._live.warm()

    def __call__(self, arrivals: Sequence[Arrival], settling: Settling) -> None:
        """Take them in; what cannot be moved out of the inbox is not taken again as long as it stays as it is."""
        names = [arrival.name for arrival in arrivals]
        counts = [
            f"{name or 'beside the folders'}: {len(each.takable)}" for name, each in zip(names, arrivals, strict=True)
        ]
        self._tell(f"settled: {', '.join(counts)}")
        start = time.monotonic()
        live = self._live_now()

        def take(call: Step) -> Taken:
            return take_in(self._inbox, arrivals, live, self._settings, call)

        taken = take(run) if self._flow is None else self._shown(names, take)
        self._tell(f"{taken.explain()}\n{time.monotonic() - start:.1f} s")
        for arrival in self._inbox.look():
            if arrival in arrivals:
                settling.handled(arrival)
                self._tell(f"cannot be moved out of the inbox: {arrival.name}")
        if failure := keep_online(self._workspace):
            self._tell(f"Feast's online store is behind: {failure}")

    def _shown(self, names: list[str], take: Callable[[Step], Taken]) -> Taken:
        assert self._flow is not None
        from flows.prefect_server import require_server

        try:
            require_server("start it again")
        except ShotlineError as error:
            self._tell(f"{error.what} ({error.on}); this arrival is not shown there")
            return take(run)
        return self._flow(self._inbox.folder, names, self._workspace, take)

    def _live_now(self) -> LiveWorkspace:
        """The warm one, opened anew where `params.yaml` has changed since."""
        now = Workspace(self._root)
        if now.parameters != self._workspace.parameters:
            self._tell("params.yaml has changed; it is read again")
            self._workspace, self._live = now, LiveWorkspace.open(now)
        return self._live


class Announcing:
    """Emits an event for each arrival, for a deployment elsewhere that takes it; says it again while nobody does.

    Args:
        announce: emits the event of a class's folder.
        tell: hears what was announced.
        again_s: an arrival that nobody took for so long is announced once more.
    """

    def __init__(self, announce: Callable[[str], None], tell: Tell, again_s: float = _ANNOUNCE_AGAIN_S) -> None:
        self._announce = announce
        self._tell = tell
        self._again_s = again_s
        self._announced: dict[Arrival, float] = {}

    def __call__(self, arrivals: Sequence[Arrival], settling: Settling) -> None:
        """Announce those that are new, or were announced long ago."""
        now = time.monotonic()
        self._announced = {arrival: since for arrival, since in self._announced.items() if arrival in arrivals}
        for arrival in arrivals:
            if now - self._announced.get(arrival, -self._again_s) >= self._again_s:
                self._announce(arrival.name)
                self._announced[arrival] = now
                self._tell(f"announced: {arrival.name}")


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set; a second one does what it always does."""
    stop = threading.Event()

    before: dict[int, Any] = {}

    def set_stop(number: int, frame: FrameType | None) -> None:
        signal.signal(number, before[number])
        stop.set()

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
            from flows.prefect_server import require_server

            require_server("start it (prefect server start), or correct PREFECT_API_URL")
            tell(f"watching {inbox.folder}, announcing to the deployment of workspace {workspace.identity[:8]}")
            watch(inbox, settings, Announcing(lambda name: emit(workspace, name), tell), stop, tell)
            return
        with inbox.only_one():
            taking = Taking(workspace, inbox, settings, tell, _flow())
            keep_online(workspace)
            tell(f"watching {inbox.folder}; Ctrl-C ends it")
            watch(inbox, settings, taking, stop, tell)
    tell("stopped")


def _flow() -> Callable[[Path, list[str], Workspace, Callable[[Step], Taken]], Taken] | None:
    """The flow where a Prefect server is named. Without one arrivals are taken plainly: a temporary server would show
    its runs to nobody, and takes its start and its memory."""
    from flows.prefect_server import require_server, server_url

    if not server_url():
        return None
    require_server("start it (prefect server start), correct PREFECT_API_URL, or watch without it")
    from flows.add_class import run_add_class

    return run_add_class


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
