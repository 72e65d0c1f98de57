"""Bytes count once they have come; who is slow or goes away costs the others nothing and is booked as the client's."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving.edge.limits import UploadLimits, Uploads, refused

FORM = (b"content-type", b"multipart/form-data; boundary=Y")
GONE = {"type": "http.disconnect"}


def piece(content: bytes, *, last: bool = False) -> Message:
    return {"type": "http.request", "body": content, "more_body": not last}


class Counting:
    """What stands behind the uploads: reads what they pass on."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.bodies.append((await receive()).get("body", b""))
        await PlainTextResponse("read")(scope, receive, send)


class Edge:
    """Uploads with limits that a test can reach."""

    def __init__(self, **limits: Any) -> None:
        self.behind = Counting()
        self.app: ASGIApp = Uploads(refused(self.behind), paths={"/classify"}, limits=UploadLimits(**limits))

    async def ask(
        self,
        pieces: Sequence[Message] | Callable[[], Awaitable[Message]],
        *headers: tuple[bytes, bytes],
        path: str = "/classify",
    ) -> Message:
        """The start of the answer to a body that comes in pieces, and then no more."""
        left = list(pieces) if not callable(pieces) else []
        sent: list[Message] = []

        async def receive() -> Message:
            if callable(pieces):
                return await pieces()
            if left:
                return left.pop(0)
            await asyncio.Event().wait()
            raise AssertionError

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "headers": [FORM, *headers]}
        await self.app(scope, receive, send)
        return sent[0]


def statuses(*answers: Message) -> list[int]:
    return [answer["status"] for answer in answers]


def test_uploads_that_are_announced_and_do_not_come_hold_nothing() -> None:
    async def story() -> None:
        edge = Edge(body_bytes=1_000, bytes_at_once=1_000, stretch_s=0.3)
        announced = (b"content-length", b"1000")
        silent = [asyncio.create_task(edge.ask([], announced)) for _ in range(4)]
        await asyncio.sleep(0)
        assert statuses(await edge.ask([piece(b"x" * 900), piece(b"", last=True)], announced)) == [200]
        assert not any(task.done() for task in silent)
        dropped = await asyncio.gather(*silent)
        assert statuses(*dropped) == [408] * 4
        assert all((b"connection", b"close") in answer["headers"] for answer in dropped)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("limits", "status"),
    [({"stretch_s": 0.2, "stretch_bytes": 50}, 408), ({"upload_s": 0.3}, 408), ({"body_bytes": 20}, 413)],
)
def test_a_body_that_trickles_for_ever_is_dropped(limits: dict[str, Any], status: int) -> None:
    async def trickle() -> Message:
        await asyncio.sleep(0.01)
        return piece(b"x")

    answer = asyncio.run(asyncio.wait_for(Edge(**limits).ask(trickle), 10))
    assert (answer["status"], (b"connection", b"close") in answer["headers"]) == (status, True)


def test_a_slow_body_that_keeps_coming_is_read() -> None:
    pieces = [piece(b"x" * 60)] * 6 + [piece(b"end", last=True)]

    async def slow() -> Message:
        await asyncio.sleep(0.1)
        return pieces.pop(0)

    edge = Edge(stretch_s=0.3, stretch_bytes=50)
    assert asyncio.run(edge.ask(slow))["status"] == 200
    assert edge.behind.bodies == [b"x" * 360 + b"end"]


@pytest.mark.parametrize("pieces", [[GONE], [piece(b"x" * 10), GONE]])
def test_an_upload_that_breaks_off_is_the_clients(pieces: list[Message]) -> None:
    edge = Edge()
    assert asyncio.run(edge.ask(pieces))["status"] == 499
    assert edge.behind.bodies == []


def test_what_was_held_is_given_back_however_a_request_ends() -> None:
    async def story() -> None:
        edge = Edge(bytes_at_once=1_000, stretch_s=0.1)
        for _ in range(3):
            assert statuses(
                await edge.ask([piece(b"x" * 900), GONE]),
                await edge.ask([piece(b"x" * 900)]),
                await edge.ask([piece(b"x" * 900), piece(b"x" * 900, last=True)]),
                await edge.ask([piece(b"x" * 900, last=True)]),
            ) == [499, 408, 503, 200]

    asyncio.run(story())


def test_a_length_need_not_be_announced() -> None:
    edge = Edge()
    answer = asyncio.run(edge.ask([piece(b"a"), piece(b"b", last=True)], (b"transfer-encoding", b"chunked")))
    assert (answer["status"], edge.behind.bodies) == (200, [b"ab"])


def test_only_what_reads_a_body_is_given_one() -> None:
    edge = Edge()
    assert asyncio.run(edge.ask([piece(b"a")], path="/nothing"))["status"] == 200
    assert edge.behind.bodies == [b"a"]  # as it comes, not taken in before


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        (b"Multipart/Form-Data; boundary=Y", 200),
        (b"APPLICATION/JSON", 200),
        (b"multipart/mixed; boundary=Y", 415),
        (b"text/plain", 415),
        (b"", 415),
    ],
)
def test_a_body_of_another_kind_is_not_read(content_type: bytes, status: int) -> None:
    edge = Edge()
    scope = {"type": "http", "method": "POST", "path": "/classify", "headers": [(b"content-type", content_type)]}
    sent: list[Message] = []

    async def receive() -> Message:
        return piece(b"x", last=True)

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(edge.app(scope, receive, send))
    assert sent[0]["status"] == status
    assert len(edge.behind.bodies) == (status == 200)
