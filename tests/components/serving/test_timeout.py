"""A request's time is limited, and nothing of a request is kept once it is answered."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from bentoml._internal.server.http import traffic
from starlette.types import ASGIApp, Receive, Scope, Send

from components.serving.timeout import RequestTimeout

# `take_its_place` may have been called in this process already.
BENTOMLS = next(
    each
    for each in object.__subclasses__()
    if (each.__module__, each.__name__) == (traffic.__name__, "TimeoutMiddleware")
)


async def quick(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"done"})


async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(30)


async def slow_after_it_began(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await asyncio.sleep(0.2)
    await send({"type": "http.response.body", "body": b"done"})


async def times_out_itself(scope: Scope, receive: Receive, send: Send) -> None:
    raise TimeoutError("of its own")


async def ask(app: ASGIApp, times: int = 1) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        for _ in range(times):
            answer = await client.get("/")
    return answer


async def timers_left(app: ASGIApp) -> int:
    await ask(app, 20)
    scheduled = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
    return sum(not timer.cancelled() for timer in scheduled)


def test_no_timer_is_left_of_a_request_that_was_answered() -> None:
    assert asyncio.run(timers_left(RequestTimeout(quick, 600))) == 0


def test_bentomls_own_leaves_one_a_request_or_ours_is_no_longer_needed() -> None:
    assert asyncio.run(timers_left(BENTOMLS(quick, 600))) == 20


def test_what_has_not_begun_in_time_is_cancelled_and_told_as_bentoml_tells_it() -> None:
    answer = asyncio.run(ask(RequestTimeout(slow, 0.05)))

    assert answer.status_code == 504
    assert answer.json() == {"error": "Not able to process the request in 0.05 seconds"}


def test_what_has_begun_may_take_its_time() -> None:
    assert asyncio.run(ask(RequestTimeout(slow_after_it_began, 0.05))).text == "done"


def test_an_application_s_own_error_stays_its_own() -> None:
    with pytest.raises(TimeoutError, match="of its own"):
        asyncio.run(ask(RequestTimeout(times_out_itself, 600)))
