"""Ctrl-C and SIGTERM: a command ends within seconds, with one line that says what is kept and how to go on.

The signal is raised as `Stopped` in the main thread, so that everything undoes itself on its way out. A second thread
hears of it at the same moment (Python writes to a pipe from within the C handler, whatever the main thread is doing):
where the way out takes too long, in a library's loop or while a Prefect server is asked that has ended, it says the line
and ends the process. That loses nothing: whatever survives `kill -9` survives this.

Nothing here imports more than the standard library: the first second of a command can be interrupted too.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["Stopped", "before_the_end", "stoppable"]

GRACE_S = 2.5
"""What a command has to undo itself in, in seconds."""

_LAST_S = 1.0  # for what is to be done before the end
_ECHO_S = 1.0  # process and process group are often both sent the same signal
_NUMBERS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM)

_LINES = {
    "train": "what is live stays as it was; photos that are copied and stages that are done are kept. Go on: run it again",
    "consolidate": "nothing is half consolidated, what is live answers as before. Go on: shotline consolidate",
    "stage": "its outputs are not complete. Go on: run it again, or dvc repro",
    "add-class": "nothing is half added (shotline classes lists what is live). Go on: run it again",
    "classify": "nothing was changed; answers printed so far hold. Go on: run it again",
    "search": "nothing was changed. Go on: run it again",
    "export": "the file was not written. Go on: run it again",
    "sample": "photos drawn so far stay. Go on: run it again",
    "vocabulary": "words that are encoded are kept. Go on: run it again",
    "pretrain": "checkpoints are kept. Go on: the same --run",
    "watch": "what was taken in is live, the rest lies in the inbox. Go on: run it again",
    "listen": "announced photos lie in the inbox. Go on: run it again",
}
_ELSE = "nothing is half done. Go on: run it again"

_UNTIL_STOPPED = ("watch", "listen")
"""Commands that run until they are stopped: that is how they end well, with exit code 0."""


class Stopped(BaseException):
    """Ctrl-C or SIGTERM. Not a KeyboardInterrupt, which libraries turn into answers of their own."""


class _Ending:
    """One way out, found by whoever comes first: the main thread or the one that waits for it."""

    def __init__(self, command: str, error_file: int) -> None:
        self.command = command
        self.number = 0
        self.settled = threading.Event()  # whether a signal came before the command ended is known
        self._error_file = error_file
        self._lock = threading.RLock()  # a signal's handler may interrupt whoever holds it
        self._told = False

    @property
    def exit_code(self) -> int:
        return 0 if self.command in _UNTIL_STOPPED else 128 + self.number

    def begin(self, number: int) -> bool:
        """Note the first signal, and have libraries say no more; False where there was one before."""
        with self._lock:
            if self.number:
                return False
            self.number = number
        with contextlib.suppress(OSError):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, 2)
            os.close(nothing)
        return True

    def tell(self) -> None:
        """Say the line, once, on what standard error was; a half-drawn progress bar goes."""
        with self._lock:
            if self._told:
                return
            self._told = True
        clean = "\r\x1b[2K\x1b[?25h" if os.isatty(self._error_file) else ""
        line = f"{clean}stopped: {_LINES.get(self.command, _ELSE)}\n"
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(self._error_file, line.encode())

    def close(self) -> None:
        """Nothing will be told."""
        os.close(self._error_file)


_now: _Ending | None = None
_last: list[Callable[[], object]] = []


@contextlib.contextmanager
def before_the_end(call: Callable[[], object]) -> Iterator[None]:
    """Have `call` called where a process that was told to stop is ended from within this block, for a second at most."""
    _last.append(call)
    try:
        yield
    finally:
        _last.remove(call)


@contextlib.contextmanager
def stoppable(arguments: list[str]) -> Iterator[None]:
    """Signals end what runs within; to be entered in the main thread, and only once in a process.

    Args:
        arguments: of the command line; the first that is a command chooses the line.

    Raises:
        SystemExit: a signal came: 130 after Ctrl-C, 143 after SIGTERM, 0 for `watch` and `listen`.
    """
    global _now
    if threading.current_thread() is not threading.main_thread() or _now is not None:
        yield
        return
    command = next((each for each in arguments if not each.startswith("-")), "")
    ending = _now = _Ending(command, os.dup(2))
    listening, heard = os.pipe()
    os.set_blocking(heard, False)
    before: dict[int, Any] = {number: signal.getsignal(number) for number in _NUMBERS}
    before_descriptor = signal.set_wakeup_fd(heard, warn_on_full_buffer=False)
    raised = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal raised
        ending.begin(number)
        with contextlib.suppress(OSError):  # a library may have taken the place of the pipe
            os.write(heard, bytes([number]))
        if not raised:  # what undoes itself is not interrupted; the other thread hears of a second signal
            raised = True
            raise Stopped

    for number in _NUMBERS:
        signal.signal(number, stop)
    threading.Thread(target=_watch, args=(ending, listening), name="stopping", daemon=True).start()
    try:
        yield
    except BaseException as error:
        # Whatever a library made of it.
        if not ending.number and not isinstance(error, Stopped):
            raise
    finally:
        if not ending.number:
            signal.set_wakeup_fd(before_descriptor)
            for number, handler in before.items():
                signal.signal(number, handler)
            # A signal may have come that a library took for itself: the other thread reads what is in the pipe.
            os.write(heard, b"\0")
            ending.settled.wait(_LAST_S)
            os.close(heard)
            _now = None
    if ending.number:  # the other thread goes on seeing to it that the rest ends in time
        _end_children()
        ending.tell()
        raise SystemExit(ending.exit_code)


def _watch(ending: _Ending, listening: int) -> None:
    """End the process where the main thread does not after a signal, or at a second one."""
    until: float | None = None
    while True:
        number = _read(listening, until)
        if number == 0 and until is None:  # the command has ended by itself
            os.close(listening)
            ending.settled.set()
            ending.close()
            return
        if number == 0:
            ending.settled.set()
            listening = _nothing(listening)
            continue
        if number is not None and until is None:
            until = time.monotonic() + GRACE_S
            ending.begin(number)
        elif number is None or time.monotonic() > until - GRACE_S + _ECHO_S:  # type: ignore[operator]
            last = [threading.Thread(target=_quietly, args=(call,), daemon=True) for call in [*_last]]
            for each in last:
                each.start()
            for each in last:
                each.join(_LAST_S / len(last))
            _end_children()
            ending.tell()
            os._exit(ending.exit_code)


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(Exception):  # nothing may keep this process from ending
        call()


def _nothing(descriptor: int) -> int:
    """The reading end of another pipe, into which nobody writes, in the place of one that has ended."""
    os.close(descriptor)
    return os.pipe()[0]


def _read(descriptor: int, until: float | None) -> int | None:
    """The number of a signal, 0 at the end of the pipe, None if none came until then."""
    import select

    timeout = None if until is None else max(0.0, until - time.monotonic())
    ready, _, _ = select.select([descriptor], [], [], timeout)
    if not ready:
        return None
    content = os.read(descriptor, 1)
    return content[0] if content else 0


def _forget() -> None:
    """In a forked child: its signals are its own."""
    if _now is not None:
        signal.set_wakeup_fd(-1)
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_DFL)


os.register_at_fork(after_in_child=_forget)


def _end_children() -> None:
    """End what was started for this command alone, such as Prefect's temporary server; what has a session of its own stays."""
    with contextlib.suppress(Exception):  # nothing may keep this process from ending
        import psutil

        session = os.getsid(0)
        for child in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error, OSError):
                if os.getsid(child.pid) == session:
                    child.terminate()
