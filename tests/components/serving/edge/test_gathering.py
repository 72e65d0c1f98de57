"""Photos of requests that come while a call is under way go together into the next one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from components.serving.edge.gathering import Gathering


class Classifier:
    """Answers each call when it is let, and remembers the calls."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.may_answer: asyncio.Queue[Exception | None] = asyncio.Queue()

    async def ask(self, inputs: list[int]) -> list[str]:
        self.calls.append(inputs)
        if error := await self.may_answer.get():
            raise error
        return [f"answer {each}" for each in inputs]

    def let(self, times: int = 1, error: Exception | None = None) -> None:
        for _ in range(times):
            self.may_answer.put_nowait(error)


def run(story: Callable[[Classifier], Awaitable[None]]) -> None:
    async def told() -> None:
        await story(Classifier())

    asyncio.run(told())


async def started(*requests: Coroutine[Any, Any, list[str]]) -> list[asyncio.Task[list[str]]]:
    """Requests that have come, in this order."""
    tasks = [asyncio.create_task(each) for each in requests]
    for _ in range(4):
        await asyncio.sleep(0)
    return tasks


def test_what_comes_meanwhile_shares_the_next_call() -> None:
    async def story(classifier: Classifier) -> None:
        gathering = Gathering(classifier.ask)
        tasks = await started(gathering.ask([1]), gathering.ask([2, 3]), gathering.ask([4]))
        assert classifier.calls == [[1]]
        classifier.let(2)

        assert await asyncio.gather(*tasks) == [["answer 1"], ["answer 2", "answer 3"], ["answer 4"]]
        assert classifier.calls == [[1], [2, 3, 4]]

    run(story)


def test_a_call_takes_whole_requests_up_to_its_limit() -> None:
    async def story(classifier: Classifier) -> None:
        gathering = Gathering(classifier.ask, most=3)
        tasks = await started(*(gathering.ask(each) for each in ([0], [1, 2], [3, 4], [5], [6, 7, 8, 9])))
        classifier.let(4)
        await asyncio.gather(*tasks)

        assert classifier.calls == [[0], [1, 2], [3, 4, 5], [6, 7, 8, 9]]

    run(story)


def test_as_many_calls_run_at_once_as_there_are_processes() -> None:
    async def story(classifier: Classifier) -> None:
        gathering = Gathering(classifier.ask, calls=2)
        tasks = await started(*(gathering.ask([each]) for each in range(4)))
        assert classifier.calls == [[0], [1]]
        classifier.let(3)
        await asyncio.gather(*tasks)

        assert classifier.calls == [[0], [1], [2, 3]]

    run(story)


def test_a_call_that_fails_fails_its_requests_and_no_other() -> None:
    async def story(classifier: Classifier) -> None:
        gathering = Gathering(classifier.ask)
        tasks = await started(*(gathering.ask([each]) for each in range(3)))
        classifier.let()
        classifier.let(error=ConnectionError("gone"))
        first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
        assert first == ["answer 0"]
        assert isinstance(second, ConnectionError)
        assert isinstance(third, ConnectionError)

        [after] = await started(gathering.ask([9]))
        classifier.let()
        assert await after == ["answer 9"]

    run(story)


def test_a_request_that_has_gone_is_not_asked_about() -> None:
    async def story(classifier: Classifier) -> None:
        gathering = Gathering(classifier.ask)
        first, gone, last = await started(*(gathering.ask([each]) for each in range(3)))
        gone.cancel()
        classifier.let(2)

        assert await asyncio.gather(first, last) == [["answer 0"], ["answer 2"]]
        assert classifier.calls == [[0], [2]]

    run(story)


def test_a_request_waits_no_longer_than_its_patience() -> None:
    async def story(classifier: Classifier) -> None:
        gathering = Gathering(classifier.ask, patience_s=0.01)
        tasks = await started(gathering.ask([1]), gathering.ask([2]))
        for task in tasks:
            with pytest.raises(TimeoutError):
                await task

    run(story)
