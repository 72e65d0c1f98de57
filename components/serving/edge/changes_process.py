"""The process in which classes are changed (`components.serving.changing`): started at the first change, then kept."""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from http import HTTPStatus
from typing import Any, TypeVar

from components.serving.changing import end_with_parent
from components.serving.edge.errors import RefusedError

__all__ = ["ChangesProcess"]

T = TypeVar("T")

_MOST_WAITING = 8


class ChangesProcess:
    """Runs changes one after the other; a change's exception is raised here."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._waiting = 0

    async def run(self, change: Callable[..., T], *arguments: Any) -> T:
        """Call `change`, a module's function, in the process.

        A change that has begun is finished even if its caller goes away.

        Raises:
            RefusedError: too many changes wait already, or the process died: the change may or may not have been made.
        """
        if self._waiting >= _MOST_WAITING:
            raise RefusedError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_requests",
                f"{self._waiting} changes of classes wait already",
                "try again in a moment",
            )
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                1, mp_context=multiprocessing.get_context("spawn"), initializer=end_with_parent
            )
        pool = self._pool
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, change, *arguments)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "service_unavailable",
                "the process that changes classes died; a change counts once it is in the list of versions",
                "look at the list of versions, then try again",
            ) from None
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the process; the next change completes one that has begun, as after any kill."""
        if self._pool is not None:
            for process in multiprocessing.active_children():
                process.kill()
            self._pool.shutdown(cancel_futures=True)
            self._pool = None
