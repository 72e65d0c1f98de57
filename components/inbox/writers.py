"""Whether a process has a file open for writing."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

if sys.platform == "linux":
    import fcntl

__all__ = ["is_being_written"]


def is_being_written(path: Path) -> bool:
    """Whether a process of this machine has the file open for writing; False where the system cannot tell.

    Linux grants a read lease only if nobody writes. There are no leases on other users' files, nor on most network
    shares.
    """
    if sys.platform != "linux":
        return False
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # If a process opens the file for writing while the lease is held, the system sends us a signal. It must be one
        # that is ignored, or it would end this process.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    finally:
        os.close(descriptor)
    return False
