"""The edge of the service, over a classifier that fails in every way that BentoML's client has."""

import asyncio
from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import pytest
from bentoml.exceptions import BentoMLException, ServiceUnavailable
from starlette.types import ASGIApp

from components.serving.edge import edge_application
from components.serving.edge.limits import UploadLimits, Uploads
from components.serving.edge.probes import Readiness
from components.serving.edge.routes import PATHS_WITH_BODY

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


async def never() -> bool:
    return False


def edge(classifier: Any, limits: UploadLimits | None = None) -> ASGIApp:
    """The routes behind the layer that reads uploads."""
    routes = edge_application(lambda: classifier.to_async, Readiness(never))
    return Uploads(routes, paths=PATHS_WITH_BODY, limits=limits)


def send(app: ASGIApp, **request: Any) -> httpx.Response:
    """The answer to one request; POST /classify where nothing else is said."""

    async def answer() -> httpx.Response:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.request(**{"method": "POST", "url": "/classify", **request})

    return asyncio.run(answer())


def ask(
    classifier: Failing, *, size_bytes: int = 5, limits: UploadLimits | None = None, **request: Any
) -> httpx.Response:
    """POST /classify with one photo, to an edge over the given classifier."""
    return send(edge(classifier, limits), files=[("images", ("a.jpg", b"x" * size_bytes))], **request)


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
def test_a_failure_of_the_classifier_comes_out_in_our_form(error: Exception, status: int, code: str) -> None:
    answer = ask(Failing(error, error))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json().keys() == {"code", "message", "remedy"}
    assert "secret" not in answer.text


def test_a_connection_that_broke_is_asked_over_once_more() -> None:
    classifier = Failing(aiohttp.ServerDisconnectedError())
    assert ask(classifier).json() == [{"path": "a.jpg", **ANSWER[0]}]
    assert classifier.asked == 2

    overloaded = Failing(ServiceUnavailable("process is overloaded"))
    assert ask(overloaded).status_code == 503
    assert overloaded.asked == 1


def test_requests_under_way_are_bounded_in_bytes() -> None:
    limits = UploadLimits(bytes_at_once=10_000)
    assert ask(Failing(), size_bytes=8_000, limits=limits).status_code == 200
    answer = ask(Failing(), size_bytes=12_000, limits=limits)
    assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable")
    assert answer.headers["retry-after"]


def test_a_request_that_is_too_long_is_not_read() -> None:
    answer = ask(Failing(), headers={"content-length": "128000001"})
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


class Searching:
    """A classifier that embeds and finds, and notes what it was asked."""

    def __init__(self, found: dict[str, Any]) -> None:
        self.found = found
        self.asked: list[Any] = []
        self.to_async = SimpleNamespace(embed=self.embed, embed_texts=self.embed_texts, like=self.like)

    async def embed(self, photos: list[bytes]) -> list[dict[str, Any]]:
        self.asked.append(photos)
        return [{"embedding": [1.0, 0.0], "backbone": "b"}] * len(photos)

    async def embed_texts(self, texts: list[str]) -> list[dict[str, Any]]:
        self.asked.append(texts)
        return [{"embedding": [0.0, 1.0], "backbone": "b"}] * len(texts)

    async def like(self, query: list[float], top: int) -> dict[str, Any]:
        self.asked.append((query, top))
        return self.found


def test_a_search_embeds_its_question_and_gives_what_is_like_it() -> None:
    photos = [{"path": "data/raw/red/1.jpg", "class": "red", "similarity": 0.5}]
    classifier = Searching({"photos": photos})
    app = edge(classifier)

    def post(**form: Any) -> httpx.Response:
        return send(app, url="/search", **form)

    by_photo = post(files={"image": ("a.jpg", b"pixels"), "top": (None, "7")})
    by_text = post(files={"text": (None, "rust")})
    assert by_photo.json() == by_text.json() == photos
    assert classifier.asked == [[b"pixels"], ([1.0, 0.0], 7), ["rust"], ([0.0, 1.0], 20)]

    classifier.found = {"error": {"code": "not_searchable", "message": "m", "remedy": "r"}, "status": 409}
    refused = post(files={"text": (None, "rust")})
    assert (refused.status_code, refused.json()["code"]) == (409, "not_searchable")
