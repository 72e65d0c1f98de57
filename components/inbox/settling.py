"""When photos have settled: nothing in their folder has changed for a while, and nobody has one open to write."""

from __future__ import annotations

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from components.inbox.inbox import Arrival, Found

if sys.platform == "linux":
    import fcntl

__all__ = ["Settling", "is_being_written"]


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
        self._seen: dict[str, tuple[tuple[Found, ...], float]] = {}  # what was found, and since when

    def settled(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Those of what lies there now that have settled.

        Args:
            arrivals: all that `Inbox.look` gave; what is not among them any more is forgotten.
        """
        now = self._clock()
        seen = {}
        for arrival in arrivals:
            found, since = self._seen.get(arrival.name, ((), now))
            seen[arrival.name] = (arrival.found, since if found == arrival.found else now)
        self._seen = seen
        return [
            arrival
            for arrival in arrivals
            if now - seen[arrival.name][1] >= self._settle_s
            and not any(is_being_written(each.path) for each in arrival.found if each.kind == "file")
        ]


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
