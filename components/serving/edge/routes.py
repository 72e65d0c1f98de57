"""The routes: they translate a form into calls of the classifier, and its answers into responses."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp
from bentoml.exceptions import BentoMLException
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from components.serving.edge.admin import Admin
from components.serving.edge.archives import ARCHIVE, Member, archive_batches
from components.serving.edge.errors import RefusedError, error_response, status_response
from components.serving.edge.forms import RequestForm, media_type, posted_form
from components.serving.edge.gathering import Gathering
from components.serving.edge.limits import MAX_TEXT_CHARACTERS, MAX_TEXTS, MAX_TOP, MOST_PHOTOS, refused
from components.serving.edge.openapi import paths_with_body
from components.serving.edge.pages import PREFIX, page, page_routes, wants_page
from components.serving.edge.probes import Readiness
from components.serving.measured import count_answers

if TYPE_CHECKING:
    from components.pool import Keeper  # decodes photos: seconds of imports that are needed only if photos are kept

__all__ = ["PATHS_WITH_BODY", "PREFIX", "edge_application"]

_log = logging.getLogger("bentoml.shotline")

_USE = {
    "/classify": "send photos in the field images: curl -F images=@photo.jpg URL/classify; or a zip archive: curl -H "
    "'Content-Type: application/zip' --data-binary @photos.zip URL/classify",
    "/embed": "send photos in the field images, texts in texts: curl -F images=@photo.jpg -F texts=rust URL/embed",
    "/search": "send a photo in the field image, or a text in text: curl -F text=rust -F top=20 URL/search",
}
PATHS_WITH_BODY = paths_with_body()
_JSON = 'a form (multipart/form-data), or JSON: {"images": ["BASE64"], "texts": ["rust"], "top": 20}'
_FAILURES = (BentoMLException, aiohttp.ClientError, TimeoutError)  # of the classifier, or of the connection to it
_LIMITS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


def edge_application(
    classifier: Callable[[], Any],
    readiness: Readiness,
    admin: Admin | None = None,
    keeper: Keeper | None = None,
    most_bytes: Callable[[], int] = lambda: 64_000_000,
) -> Starlette:
    """The routes `/`, `/classes`, `/classify`, `/embed` and `/search`, and the workspace's.

    Args:
        classifier: gives the client of `components.serving.batched.Classifier` when a request comes; its methods are
            awaited.
        readiness: told if the connection to the classifier breaks; it runs while the application runs.
        admin: the workspace's routes; None: there are none.
        keeper: keeps classified photos in the pool; None: none are kept.
        most_bytes: gives the limit of a photo in an archive, when one comes.
    """
    routes = _Routes(classifier, readiness, admin, keeper, most_bytes)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with readiness.watching():
            yield
        if admin is not None:
            admin.close()

    return Starlette(
        routes=[
            Route("/", routes.about),
            Route("/classes", routes.classes),
            Route("/classify", routes.classify, methods=["POST"]),
            Route("/embed", routes.embed, methods=["POST"]),
            Route("/search", routes.search, methods=["POST"]),
            *page_routes(),
            *(() if admin is None else admin.routes()),
        ],
        middleware=[Middleware(refused)],
        exception_handlers={
            RefusedError: _told,
            **dict.fromkeys(_FAILURES, _classifier_failed),
        },
        lifespan=lifespan,
    )


class _Routes:
    """The handler of each address."""

    def __init__(
        self,
        classifier: Callable[[], Any],
        readiness: Readiness,
        admin: Admin | None,
        keeper: Keeper | None,
        most_bytes: Callable[[], int],
    ) -> None:
        self._most_bytes = most_bytes
        self._classifier = classifier
        self._readiness = readiness
        self._admin = admin
        self._keeper = keeper
        calls = int(os.environ.get("SHOTLINE_CLASSIFIERS", "1"))
        self._gatherings = {
            question: Gathering(partial(self._ask, question), calls=calls) for question in ("classify", "embed")
        }

    async def about(self, request: Request) -> Response:
        """The page for a browser; for a program a description of the service."""
        if wants_page(request):
            return page(request, "index.html")
        prefix = request.scope.get(PREFIX, "")
        use = {f"POST {prefix}{route}": use.replace("URL", f"URL{prefix}") for route, use in _USE.items()}
        there = {} if self._admin is None else await run_in_threadpool(self._admin.about)
        told = {"service": "shotline", "ready": self._readiness.ready, **there, "use": use, "send": _JSON}
        return JSONResponse(told, headers={"vary": "accept"})

    async def classes(self, request: Request) -> Response:
        first = None if self._admin is None else await run_in_threadpool(self._admin.classes_to_train)
        return JSONResponse(await self._ask("classes") if first is None else first)

    async def classify(self, request: Request) -> Response:
        if media_type(request.headers["content-type"]) == ARCHIVE:
            return await self._classify_archive(await request.body())
        form = await posted_form(request)
        photos = _photos(form)
        if not photos:
            raise _missing("/classify", "no_images", "the request has no photo in the field images", form)
        answers = await self._gatherings["classify"].ask([content for _, content in photos])
        count_answers(answers)
        response = _each([{"path": name} for name, _ in photos], answers)
        if self._keeper is not None:  # after the client has its answer
            response.background = BackgroundTask(_keep, self._keeper, [content for _, content in photos], answers)
        return response

    async def _classify_archive(self, body: bytes) -> Response:
        """One line of JSON per photo, as they are answered; a failure before the first is an error of the request."""
        batches = await run_in_threadpool(archive_batches, body, await run_in_threadpool(self._most_bytes))
        first = await self._rows(await run_in_threadpool(next, batches))

        async def lines() -> AsyncIterator[str]:
            yield first
            while batch := await run_in_threadpool(next, batches, None):
                try:
                    yield await self._rows(batch)
                except _FAILURES as error:
                    told = json.loads(bytes((await _classifier_failed(None, error)).body))
                    yield _lines([{"path": name, "error": told} for name, _ in batch])

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    async def _rows(self, batch: list[Member]) -> str:
        """A line per photo, with its answer or its error."""
        photos = [content for _, content in batch if isinstance(content, bytes)]
        answers = await self._gatherings["classify"].ask(photos) if photos else []
        count_answers(answers)
        if self._keeper is not None:
            await run_in_threadpool(_keep, self._keeper, photos, answers)
        in_order: Iterator[dict[str, Any]] = iter(answers)
        return _lines(
            [{"path": name, **(next(in_order) if isinstance(content, bytes) else content)} for name, content in batch]
        )

    async def embed(self, request: Request) -> Response:
        form = await posted_form(request)
        photos, texts = _photos(form), _texts(form)
        if not photos and not texts:
            message = "the request has neither a photo in images nor a text in texts"
            raise _missing("/embed", "no_input", message, form)
        answers: list[dict[str, Any]] = []
        if photos:
            answers += await self._gatherings["embed"].ask([content for _, content in photos])
        if texts:
            answers += await self._ask("embed_texts", list(texts))
        return _each([*({"path": name} for name, _ in photos), *({"text": text} for text in texts)], answers)

    async def search(self, request: Request) -> Response:
        form = await posted_form(request)
        photos, texts = _photos(form), _texts(form)
        top = (form.top or "20").strip()
        if len(photos) + len(texts) != 1:
            message = "the request must have one photo in image or one text in text"
            raise _missing("/search", "no_query", message, form)
        if not (top.isascii() and top.isdigit() and len(top) < 20 and 1 <= int(top) <= MAX_TOP):
            raise _missing("/search", "bad_top", f"top is {top[:20]!r}, no number from 1 to {MAX_TOP}", form)
        if photos:
            [embedded] = await self._gatherings["embed"].ask([photos[0][1]])
        else:
            [embedded] = await self._ask("embed_texts", list(texts))
        if "error" in embedded:
            return JSONResponse(embedded["error"], HTTPStatus.UNPROCESSABLE_ENTITY)
        found = await self._ask("like", embedded["embedding"], int(top))
        if "error" in found:
            return JSONResponse(found["error"], found["status"])
        return JSONResponse(found["photos"])

    async def _ask(self, question: str, *inputs: Any) -> Any:
        """The classifier's answer; asked again once if the connection broke, as an idle one may."""
        ask: Callable[..., Awaitable[Any]] = getattr(self._classifier(), question)
        try:
            return await ask(*inputs)
        except aiohttp.ClientConnectionError:
            try:
                return await ask(*inputs)
            except aiohttp.ClientConnectionError:
                self._readiness.lost()
                raise


def _keep(keeper: Keeper, photos: list[bytes], answers: list[dict[str, Any]]) -> None:
    """Keep the photos; a failure here, such as a full disk, is only logged."""
    try:
        keeper.keep(photos, answers)
    except Exception:  # noqa: BLE001 (whatever it is, the client has its answer)
        _log.exception("photos could not be kept in the pool")


def _photos(form: RequestForm) -> tuple[tuple[str | None, bytes], ...]:
    if len(form.photos) > MOST_PHOTOS:
        raise _too_many(f"{len(form.photos)} photos; at most {MOST_PHOTOS} are read")
    return form.photos


def _texts(form: RequestForm) -> tuple[str, ...]:
    if len(form.texts) > MAX_TEXTS:
        raise _too_many(f"{len(form.texts)} texts; at most {MAX_TEXTS} are read")
    if (longest := max(map(len, form.texts), default=0)) > MAX_TEXT_CHARACTERS:
        raise RefusedError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            "text_too_long",
            f"a text has {longest} characters; at most {MAX_TEXT_CHARACTERS} are read",
            "send a shorter text: a CLIP reads some 77 tokens of it",
        )
    return form.texts


def _too_many(what: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.BAD_REQUEST, "bad_request", f"the request has {what}", "send the rest in requests of their own"
    )


def _missing(path: str, code: str, message: str, form: RequestForm) -> RefusedError:
    if form.others:
        names = ", ".join(dict.fromkeys(name[:40] or "(no name)" for name in form.others[:5]))
        message = f"{message}; fields that are not read: {names}"
    return RefusedError(HTTPStatus.BAD_REQUEST, code, message, _USE[path])


def _lines(rows: list[dict[str, Any]]) -> str:
    return "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows)


def _each(inputs: list[dict[str, Any]], answers: list[dict[str, Any]]) -> Response:
    """Each input with its answer; if there is a single input and it cannot be used, the request fails."""
    if len(answers) == 1 and "error" in answers[0]:
        return JSONResponse(answers[0]["error"], HTTPStatus.UNPROCESSABLE_ENTITY)
    return JSONResponse([{**given, **answer} for given, answer in zip(inputs, answers, strict=True)])


async def _told(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return error.response


async def _classifier_failed(request: Request | None, error: Exception) -> Response:
    """Within the block, errors of the classifier's limits or connection become refusals of the request."""
    if isinstance(error, TimeoutError):
        return status_response(HTTPStatus.GATEWAY_TIMEOUT)
    if isinstance(error, aiohttp.ClientError):
        return status_response(HTTPStatus.SERVICE_UNAVAILABLE)
    status = getattr(error, "error_code", None)
    if status == HTTPStatus.CONFLICT:
        return error_response(
            HTTPStatus.CONFLICT, "not_trained", "there is no classifier here yet", "train first: shotline train PHOTOS"
        )
    return status_response(status if status in _LIMITS else HTTPStatus.INTERNAL_SERVER_ERROR)
