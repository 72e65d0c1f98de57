"""Gathers photos of requests that come while the classifier is busy into its next call.

BentoML batches too, but a single photo costs about four milliseconds on the way to it, as much as a small backbone
takes to encode it. BentoML joins the calls of several edges.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Gathering"]


@dataclass(frozen=True)
class _Waiting:
    """One request's inputs, and its future answers."""

    inputs: Sequence[Any]
    answers: asyncio.Future[list[Any]]


class Gathering:
    """Calls at once if fewer than `calls` are under way; else it calls with all inputs that have come when one ends.

    A request's inputs stay together and in order. If a call fails, all its requests fail.

    Args:
        ask: gives the answers to inputs, one each, in order.
        most: inputs per call; a larger request has a call of its own.
        calls: calls that may be under way; one for each answering process.
        patience_s: how long a request waits for its answers.
    """

    def __init__(
        self,
        ask: Callable[[list[Any]], Awaitable[list[Any]]],
        *,
        most: int = 64,
        calls: int = 1,
        patience_s: float = 60,
    ) -> None:
        self._ask = ask
        self._most = most
        self._calls = calls
        self._patience_s = patience_s
        self._queue: deque[_Waiting] = deque()
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, inputs: Sequence[Any]) -> list[Any]:
        """Ask, and return one answer per input, in order.

        Raises:
            TimeoutError: there was none in time.
            Exception: what `ask` raised for the call.
        """
        waiting = _Waiting(inputs, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._start()
        try:
            async with asyncio.timeout(self._patience_s):
                return await waiting.answers
        finally:
            waiting.answers.cancel()  # cancelled requests are dropped

    def _start(self) -> None:
        while self._queue and len(self._running) < self._calls:
            if together := self._next():
                task = asyncio.create_task(self._call(together))
                self._running.add(task)
                task.add_done_callback(self._ended)

    def _next(self) -> list[_Waiting]:
        """The requests of the next call; empty if all waiting requests were cancelled."""
        together: list[_Waiting] = []
        size = 0
        while self._queue and (not together or size + len(self._queue[0].inputs) <= self._most):
            waiting = self._queue.popleft()
            if not waiting.answers.done():
                together.append(waiting)
                size += len(waiting.inputs)
        return together

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start()

    async def _call(self, together: list[_Waiting]) -> None:
        try:
            answers = await self._ask([each for waiting in together for each in waiting.inputs])
        except Exception as error:  # noqa: BLE001 (each request says what it was)
            for waiting in together:
                if not waiting.answers.done():
                    waiting.answers.set_exception(error)
            return
        start = 0
        for waiting in together:
            end = start + len(waiting.inputs)
            if not waiting.answers.done():
                waiting.answers.set_result(answers[start:end])
            start = end
