"""The edge of the service, over a classifier that fails in every way that BentoML's client has."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import pytest
from bentoml.exceptions import BentoMLException, ServiceUnavailable

from components.serving import service

ANSWER = [{"top": [{"class": "red", "probability": 1.0}], "abstained": False, "bank": "b"}]


class Failing:
    """A classifier whose client raises the errors in turn, and then answers."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.asked = 0
        self.to_async = SimpleNamespace(classify=self.classify)

    async def classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return ANSWER * len(photos)


@pytest.fixture
def ask() -> Callable[..., httpx.Response]:
    """POST /classify with one photo, to an edge over the given classifier."""

    def ask(classifier: Failing, size_bytes: int = 5, declared_bytes: int | None = None) -> httpx.Response:
        Edge = type("Edge", (service.Shotline.inner,), {"classifier": classifier})
        Edge()

        async def post() -> httpx.Response:
            transport = httpx.ASGITransport(service.edge, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                request = client.build_request("POST", "/classify", files=[("images", ("a.jpg", b"x" * size_bytes))])
                if declared_bytes is not None:
                    request.headers["content-length"] = str(declared_bytes)
                return await client.send(request)

        return asyncio.run(post())

    return ask


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ServiceUnavailable("process is overloaded"), 503, "service_unavailable"),
        (BentoMLException("slow", error_code=HTTPStatus.GATEWAY_TIMEOUT), 504, "gateway_timeout"),
        (BentoMLException("many", error_code=HTTPStatus.TOO_MANY_REQUESTS), 429, "too_many_requests"),
        (BentoMLException("File /home/secret.py", error_code=HTTPStatus.BAD_REQUEST), 500, "internal_server_error"),
        (BentoMLException("File /home/secret.py"), 500, "internal_server_error"),
        (TimeoutError(), 504, "gateway_timeout"),
        (aiohttp.ServerTimeoutError(), 504, "gateway_timeout"),
        (aiohttp.ServerDisconnectedError(), 503, "service_unavailable"),
        (aiohttp.ClientOSError(104, "Connection reset by peer"), 503, "service_unavailable"),
        (aiohttp.ClientPayloadError(), 503, "service_unavailable"),
    ],
)
def test_a_failure_of_the_classifier_comes_out_in_our_form(
    ask: Callable[..., httpx.Response], error: Exception, status: int, code: str
) -> None:
    answer = ask(Failing(error, error))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json().keys() == {"code", "message", "remedy"}
    assert "secret" not in answer.text


def test_a_connection_that_broke_is_asked_over_once_more(ask: Callable[..., httpx.Response]) -> None:
    classifier = Failing(aiohttp.ServerDisconnectedError())
    assert ask(classifier).json() == [{"path": "a.jpg", **ANSWER[0]}]
    assert classifier.asked == 2

    overloaded = Failing(ServiceUnavailable("process is overloaded"))
    assert ask(overloaded).status_code == 503
    assert overloaded.asked == 1


def test_requests_under_way_are_bounded_in_bytes(
    ask: Callable[..., httpx.Response], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MAX_BYTES_AT_ONCE", 10_000)
    assert ask(Failing(), size_bytes=8_000).status_code == 200
    answer = ask(Failing(), size_bytes=12_000)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")


def test_a_request_that_is_too_long_is_not_read(ask: Callable[..., httpx.Response]) -> None:
    answer = ask(Failing(), declared_bytes=service.MAX_BODY_BYTES + 1)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
