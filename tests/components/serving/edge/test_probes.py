"""Probes are answered at once, whatever the classifier does."""

import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest

from components.serving.edge import edge_application
from components.serving.edge import probes as module
from components.serving.edge.around import layers
from components.serving.edge.probes import Readiness


async def loads() -> bool:
    await asyncio.Event().wait()
    raise AssertionError


async def answers() -> bool:
    return True


async def refuses() -> bool:
    raise ConnectionRefusedError


async def says_no() -> bool:
    return False


async def probe(
    readiness: Readiness, until: Callable[[httpx.Response], bool] | None = None
) -> dict[str, httpx.Response]:
    """The answers to the probes while a service runs over a classifier, each within a second."""
    edge = edge_application(lambda: None, readiness)
    transport = httpx.ASGITransport(layers(edge, readiness))
    async with (
        edge.router.lifespan_context(edge),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        async with asyncio.timeout(10):
            while until and not until(await client.get("/readyz")):
                await asyncio.sleep(0.01)
        async with asyncio.timeout(1):
            return {path: await client.get(path) for path in ("/livez", "/healthz", "/readyz")}


@pytest.mark.parametrize("ask", [loads, refuses, says_no])
def test_a_classifier_that_cannot_answer_yet_is_not_waited_for(ask: Callable[[], Awaitable[bool]]) -> None:
    told = asyncio.run(probe(Readiness(ask)))
    assert {path: answer.status_code for path, answer in told.items()} == {
        "/livez": 200,
        "/healthz": 200,
        "/readyz": 503,
    }
    assert told["/readyz"].json()["code"] == "not_ready"
    assert told["/readyz"].headers["retry-after"]


def test_a_classifier_that_answers_is_ready() -> None:
    told = asyncio.run(probe(Readiness(answers), until=lambda answer: answer.status_code == 200))
    assert told["/readyz"].status_code == 200


def test_a_classifier_that_is_lost_or_falls_silent_is_not_ready_until_it_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(module, "_PERIOD_S", 0.01)
    answering = True

    async def ask() -> bool:
        return await (answers() if answering else loads())

    async def story() -> None:
        nonlocal answering
        readiness = Readiness(ask)

        async def until(ready: bool) -> None:
            async with asyncio.timeout(10):
                while readiness.ready is not ready:
                    await asyncio.sleep(0.01)

        async with readiness.watching():
            await until(True)
            answering = False
            await until(False)
            answering = True
            await until(True)
            readiness.lost()
            assert not readiness.ready
            await until(True)

    asyncio.run(story())


def test_another_method_is_refused() -> None:
    async def story() -> httpx.Response:
        readiness = Readiness(says_no)
        transport = httpx.ASGITransport(layers(edge_application(lambda: None, readiness), readiness))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            assert (await client.head("/livez")).status_code == 200
            return await client.post("/readyz")

    answer = asyncio.run(story())
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
