"""When photos have settled: nothing in their folder has changed for a while, and nobody has one open to write."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.inbox.inbox import Arrival, Found

if sys.platform == "linux":
    import fcntl

__all__ = ["Settling", "is_being_written"]


@dataclass(frozen=True)
class _Seen:
    found: tuple[Found, ...]
    since: float
    handled: bool = False


class Settling:
    """Watches arrivals until they have settled.

    The rule: between looks at least `settle_s` apart everything in the class's folder has kept its name, inode, size
    and modification time, files under way included, and the system knows of nobody who has one of the files open for
    writing (which it can say of this machine's processes only). Times are this process's own: a share's clock may
    differ.

    Args:
        settle_s: see `InboxSettings`.
        clock: seconds that never go back.
    """

    def __init__(self, settle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._settle_s = settle_s
        self._clock = clock
        self._seen: dict[str, _Seen] = {}

    def settled(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Those of what lies there now that have settled and were not handled as they are.

        Args:
            arrivals: all that `Inbox.look` gave; what is not among them any more is forgotten.
        """
        now = self._clock()
        seen = {}
        for arrival in arrivals:
            before = self._seen.get(arrival.name)
            same = before is not None and before.found == arrival.found
            seen[arrival.name] = before if same and before is not None else _Seen(arrival.found, now)
        self._seen = seen
        return [
            arrival
            for arrival in arrivals
            if not seen[arrival.name].handled
            and now - seen[arrival.name].since >= self._settle_s
            and not any(is_being_written(each.path) for each in arrival.found if each.kind == "file")
        ]

    def handled(self, arrival: Arrival) -> None:
        """Do not tell of it again while it stays as it is; what could not be moved away would be taken for ever."""
        self._seen[arrival.name] = _Seen(arrival.found, self._clock(), handled=True)

    def again(self, arrival: Arrival) -> None:
        """Tell of it again once it has stayed as it is for another `settle_s`."""
        self._seen[arrival.name] = _Seen(arrival.found, self._clock())


def is_being_written(path: Path) -> bool:
    """Whether a process of this machine has the file open for writing; False where the system cannot tell.

    Linux grants a lease for reading only where nobody writes. It cannot be asked of other users' files, nor on most
    network shares.
    """
    if sys.platform != "linux":
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # Who opens the file for writing while the lease is held makes the system tell us, by a signal that would end
        # the process if it were not one that is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False
