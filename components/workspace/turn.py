"""The turn in a workspace: one process at a time changes its photos, parameters and stages' outputs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path

from filelock import FileLock, Timeout

from components.errors import UserInputError

__all__ = ["PASSED_ON", "turn"]

PASSED_ON = "SHOTLINE_TURN"
"""Environment variable with the path of the lock's file, by which a process shares its turn with a child process."""

_held: ContextVar[frozenset[Path]] = ContextVar("held", default=frozenset())


@contextlib.contextmanager
def turn(lock: Path) -> Iterator[None]:
    """Within the block no other process has the turn; a caller that has it already continues.

    The system gives the lock back when its process ends, however it ends: a killed process blocks nobody.

    Args:
        lock: the lock's file; made if missing.

    Raises:
        UserInputError: another process has the turn; this one has changed nothing.
    """
    lock = lock.absolute()
    if lock in _held.get() or os.environ.get(PASSED_ON) == str(lock):
        yield
        return
    lock.parent.mkdir(parents=True, exist_ok=True)
    held = FileLock(lock)
    try:
        held.acquire(blocking=False)
    except Timeout:
        raise UserInputError(
            "another training, consolidation or stage is at work here; nothing was changed",
            on=str(lock.parent.parent),
            remedy="wait for it to end, then run this again",
        ) from None
    token = _held.set(_held.get() | {lock})
    try:
        yield
    finally:
        _held.reset(token)
        held.release()
