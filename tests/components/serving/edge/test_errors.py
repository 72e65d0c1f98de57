"""Whatever made an error, it comes out as {"code", "message", "remedy"}; nothing else is touched."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest
from bentoml._internal.server.http.traffic import MaxConcurrencyMiddleware, TimeoutMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from components.serving.edge import EdgeAround
from components.serving.edge.errors import error_response
from components.serving.edge.probes import Readiness

FORM = {"code", "message", "remedy"}


async def never() -> bool:
    return False


async def fail(request: Request) -> Response:
    """The error that the query asks for."""
    body, status = request.query_params["body"], int(request.query_params["status"])
    if body == "stream":

        async def parts() -> AsyncIterator[bytes]:
            yield b'{"secret'
            yield b'": 1}'

        return StreamingResponse(parts(), status)
    return Response(body, status, {"retry-after": "7", "x-secret": "path"})


async def ours(request: Request) -> Response:
    return error_response(422, "too_small", "it has 5 x 5 pixels", "use a larger photo")


async def good(request: Request) -> Response:
    return JSONResponse([{"error": "a part of a good answer"}])


async def slow(request: Request) -> Response:
    await asyncio.sleep(30)
    return PlainTextResponse("late")


async def broken(request: Request) -> Response:
    raise RuntimeError("/home/somebody/secret.py")


def application() -> Starlette:
    """Routes within BentoML's own limits, which stand outside of a service's middleware, as in its server."""
    return Starlette(
        routes=[Route(f"/{route.__name__}", route) for route in (fail, ours, good, slow, broken)],
        middleware=[
            Middleware(TimeoutMiddleware, timeout=0.3),
            Middleware(MaxConcurrencyMiddleware, max_concurrency=2),
            Middleware(EdgeAround, readiness=Readiness(never)),
        ],
    )


async def ask(*addresses: str) -> list[httpx.Response]:
    """The answers to requests made at once."""
    app = application()
    async with app.router.lifespan_context(app):
        await start(app)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(*(client.get(address) for address in addresses))


async def start(app: Starlette) -> None:
    """What a server does first: the lifespan's startup and, when it is over, its shutdown."""
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> dict[str, str]:
        return next(messages)

    async def send(message: object) -> None:
        pass

    await app({"type": "lifespan", "app": app}, receive, send)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, '["a list"]', "bad_request"),
        (400, '[{"code": "a", "message": "b", "remedy": "c"}]', "bad_request"),
        (404, "Not Found", "not_found"),
        (413, "<html>nginx</html>", None),
        (422, '{"detail": [{"loc": ["body"]}]}', None),
        (422, '{"code": "x", "message": "y", "remedy": "z", "trace": "secret"}', None),
        (429, '{"error": "Too many requests"}', "too_many_requests"),
        (500, "", "internal_server_error"),
        (500, b"\xff\xfe".decode("latin-1"), "internal_server_error"),
        (503, '{"error": "process is overloaded"}', "service_unavailable"),
        (504, '{"error": "Not able to process the request in 60 seconds"}', "gateway_timeout"),
        (599, "a proxy's own", "internal_server_error"),
        (499, "a proxy's own", "bad_request"),
        (502, "stream", "bad_gateway"),
    ],
)
def test_an_error_of_any_form_becomes_ours(status: int, body: str, code: str | None) -> None:
    [answer] = asyncio.run(ask(str(httpx.URL("/fail", params={"status": status, "body": body}))))

    assert answer.status_code == status
    assert answer.json().keys() == FORM
    assert all(answer.json().values())
    assert code in (None, answer.json()["code"])
    assert "secret" not in answer.text + json.dumps(dict(answer.headers))
    if body != "stream":
        assert answer.headers["retry-after"] == "7"


def test_our_errors_and_good_answers_pass_as_they_are() -> None:
    refused, fine = asyncio.run(ask("/ours", "/good"))
    assert (refused.status_code, refused.json()["code"]) == (422, "too_small")
    assert refused.json()["remedy"] == "use a larger photo"
    assert fine.json() == [{"error": "a part of a good answer"}]


def test_bentomls_own_limits_speak_our_form() -> None:
    answers = asyncio.run(ask("/slow", "/slow", "/slow"))
    assert sorted(answer.status_code for answer in answers) == [429, 504, 504]
    for answer in answers:
        assert answer.json().keys() == FORM
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"


def test_an_exception_is_told_without_its_text() -> None:
    [answer] = asyncio.run(ask("/broken"))
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_server_error")
    assert "secret" not in answer.text
