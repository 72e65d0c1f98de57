"""The layers together: whoever answers, pages of other sites are let in as was said, and a path's prefix goes off."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from bentoml._internal.configuration.containers import BentoMLContainer
from bentoml._internal.server.http.traffic import MaxConcurrencyMiddleware, TimeoutMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from components.serving.edge import edge_application
from components.serving.edge.around import layers
from components.serving.edge.limits import UploadLimits
from components.serving.edge.probes import Readiness

PAGE = {"origin": "https://page.example"}
POST_FORM = {"content-type": "multipart/form-data; boundary=Y"}


async def never() -> bool:
    return False


async def slow(request: Request) -> Response:
    await asyncio.sleep(30)
    return Response()


async def broken(request: Request) -> Response:
    raise RuntimeError("secret")


def service() -> Any:
    """The edge in a BentoML application, whose limits stand round the routes, behind our layers."""
    readiness = Readiness(never)
    whole = Starlette(
        routes=[Route("/slow", slow), Route("/broken", broken), Mount("/", edge_application(lambda: None, readiness))],
        middleware=[
            Middleware(TimeoutMiddleware, timeout=0.3),
            Middleware(MaxConcurrencyMiddleware, max_concurrency=1),
        ],
    )
    return layers(whole, readiness, UploadLimits(stretch_s=0.2))


def ask(*requests: dict[str, Any]) -> list[httpx.Response]:
    """The answers to requests made at once."""

    async def answers() -> list[httpx.Response]:
        transport = httpx.ASGITransport(service(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(*(client.request(**{"method": "GET", **request}) for request in requests))

    return asyncio.run(answers())


async def silent() -> AsyncIterator[bytes]:
    await asyncio.sleep(30)
    yield b""


ANSWERS: list[tuple[int, dict[str, Any]]] = [
    (200, {"url": "/"}),
    (200, {"url": "/livez"}),
    (503, {"url": "/readyz"}),
    (404, {"url": "/nothing"}),
    (405, {"url": "/classify"}),
    (405, {"method": "OPTIONS", "url": "/classify"}),
    (400, {"method": "POST", "url": "/classify", "content": b"--Y", "headers": POST_FORM}),
    (408, {"method": "POST", "url": "/classify", "content": silent(), "headers": POST_FORM}),
    (413, {"method": "POST", "url": "/classify", "headers": {**POST_FORM, "content-length": "999999999"}}),
    (415, {"method": "POST", "url": "/classify", "content": b"x"}),
    (500, {"url": "/broken"}),
    (504, {"url": "/slow"}),
]


@pytest.mark.parametrize(("status", "request_of"), ANSWERS, ids=[f"{status}-{each['url']}" for status, each in ANSWERS])
def test_every_answer_says_which_pages_may_read_it(
    status: int, request_of: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOTLINE_CORS", "https://page.example")
    [answer] = ask({**request_of, "headers": {**PAGE, **request_of.get("headers", {})}})

    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (status, "https://page.example")
    assert status < 400 or answer.json().keys() == {"code", "message", "remedy"}


def test_too_many_at_once_are_told_so_with_cors_and_when_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOTLINE_CORS", "*")
    answers = ask({"url": "/slow", "headers": PAGE}, {"url": "/slow", "headers": PAGE})
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["access-control-allow-origin"] == "*"
    assert refused.headers["access-control-expose-headers"] == "Retry-After"
    assert refused.headers["retry-after"]


def preflight(method: str, origin: str = PAGE["origin"]) -> httpx.Response:
    headers = {"origin": origin, "access-control-request-method": method, "access-control-request-headers": "x-mine"}
    return ask({"method": "OPTIONS", "url": "/classify", "headers": headers})[0]


def test_a_preflight_is_answered_and_one_that_is_refused_has_our_form(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOTLINE_CORS", "https://page.example/, https://b.example")
    assert preflight("POST").status_code == 200
    refused = preflight("DELETE")
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (400, "https://page.example")
    assert refused.json()["code"] == "cors_refused"
    assert "method" in refused.json()["message"]
    foreign = preflight("POST", "https://other.example")
    assert foreign.status_code == 400
    assert "access-control-allow-origin" not in foreign.headers


def test_bentomls_own_switch_for_it_works_as_well() -> None:
    switch, origins = BentoMLContainer.http.cors.enabled, BentoMLContainer.cors.access_control_allow_origins
    before = switch.get(), origins.get()
    switch.set(True)
    origins.set(["https://page.example"])
    try:
        [answer] = ask({"url": "/nothing", "headers": PAGE})
    finally:
        switch.set(before[0])
        origins.set(before[1])
    assert answer.headers["access-control-allow-origin"] == "https://page.example"


def test_without_it_no_page_of_another_site_is_let_in() -> None:
    [answer] = ask({"url": "/", "headers": PAGE})
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("prefix", ["/shotline", "shotline/", "/a/shotline"])
def test_a_prefix_is_taken_off_where_a_proxy_has_not(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOTLINE_ROOT_PATH", prefix)
    whole = f"/{prefix.strip('/')}"
    answers = ask(
        *({"url": url} for url in ("/", whole, f"{whole}/", f"{whole}/livez", f"{whole}x", f"{whole}{whole}/"))
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 404, 404]
    assert f"URL{whole}/classify" in json.dumps(answers[0].json())


@pytest.mark.parametrize("content_type", [b"multipart/form-data;boundary=\xff", b"\xff\xfe", b"a\tb"])
def test_what_is_logged_of_a_request_is_one_line_of_text(content_type: bytes) -> None:
    """BentoML's log decodes these bytes as UTF-8, and a request would fail there."""
    seen: list[Any] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["path"], dict(scope["headers"])[b"content-type"]))
        await Response()(scope, receive, send)

    async def nothing(*_: Any) -> Any: ...

    scope = {"type": "http", "method": "GET", "path": "/a\nb\u2028", "headers": [(b"content-type", content_type)]}
    asyncio.run(layers(behind, Readiness(never))(scope, nothing, nothing))
    [(path, logged)] = seen
    assert path == "/a?b?"
    assert logged.decode("ascii").isprintable()
