"""The BentoML services: an edge that speaks HTTP in our form, over a classifier that batches.

The edge reads uploads and writes answers; it loads no model. The classifier's one API is batchable, so BentoML joins
photos of concurrent requests into one forward pass. `bentoml serve components.serving.service:Shotline` runs both,
in a checkout (root: the repository) as in a Bento (root: its `src/`). `SHOTLINE_DEVICE` and `SHOTLINE_PRECISION` say
where and how it computes; see `components.backbone.load_backbone`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import bentoml
from bentoml.exceptions import BentoMLException
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.errors import ShotlineError
from components.serving.error_form import ErrorFormAround, error_response, status_response

if TYPE_CHECKING:
    from components.ingest import PhotoError
    from components.serving.answers import PhotoClassifier
    from components.serving.search import LatestPhotos

__all__ = ["Classifier", "Shotline"]

_log = logging.getLogger(__name__)

ROOT = Path(os.environ.get("SHOTLINE_WORKSPACE") or Path(__file__).resolve().parents[2])
MAX_IMAGES = 64  # in one request
MAX_TEXTS = 64
MAX_TEXT_CHARACTERS = 2_000  # a CLIP reads some 77 tokens
MAX_TOP = 1_000
MAX_BODY_BYTES = 128_000_000
MAX_BYTES_AT_ONCE = 512_000_000  # of all requests under way: each byte is held about four times on its way

_USE = {
    "/classify": "send photos in the multipart field images: curl -F images=@photo.jpg URL/classify",
    "/embed": "send photos in the multipart field images, texts in texts: curl -F images=@photo.jpg -F texts=rust URL/embed",
    "/search": "send a photo in the multipart field image, or a text in text: curl -F text=rust -F top=20 URL/search",
}
_FOREVER = 10**12
_LIMITS = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


@bentoml.service(
    name="classifier",
    threads=1,
    traffic={"timeout": 60},
    # After so many requests or seconds BentoML closes the edge's connections, and every request under way on them.
    runner_connection={"max_requests": _FOREVER, "max_age": float(_FOREVER)},
)
class Classifier:
    """Photos to answers, batched over requests."""

    def __init__(self) -> None:
        from components.backbone import BackboneSettings
        from components.serving.answers import PhotoClassifier

        settings = BackboneSettings(
            device=os.environ.get("SHOTLINE_DEVICE", "auto"), precision=os.environ.get("SHOTLINE_PRECISION", "auto")
        )
        self._classifier = PhotoClassifier.load(ROOT / "models", settings)
        self._photos: LatestPhotos | None = None

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=10_000)  # type: ignore[untyped-decorator]
    def classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        """One object a photo: an answer, or `error` with what is wrong with the photo."""
        from components.serving.answers import Answer

        return [
            answer.to_json() if isinstance(answer, Answer) else _photo_error(answer)
            for answer in self._followed().answer(photos)
        ]

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=10_000)  # type: ignore[untyped-decorator]
    def embed(self, photos: list[bytes]) -> list[dict[str, Any]]:
        """One object a photo: its unit vector, or `error` with what is wrong with the photo."""
        from components.ingest import PhotoError

        classifier = self._followed()
        return [
            _photo_error(each) if isinstance(each, PhotoError) else _embedded(each.tolist(), classifier)
            for each in classifier.embed(photos)
        ]

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=10_000)  # type: ignore[untyped-decorator]
    def embed_texts(self, texts: list[str]) -> list[dict[str, Any]]:
        """One object a text: its unit vector."""
        classifier = self._followed()
        return [_embedded(each, classifier) for each in classifier.backbone.encode_texts(texts).tolist()]

    @bentoml.api  # type: ignore[untyped-decorator]
    def like(self, query: list[float], top: int) -> dict[str, Any]:
        """The workspace's photos most alike to a unit vector: `photos`, or `error` and its `status`."""
        if not (ROOT / "dvc.yaml").is_file():
            return _refused(
                HTTPStatus.NOT_FOUND,
                "no_photos",
                "a Bento carries no photos to search",
                "search where the photos are: `shotline serve` or `shotline search` in the workspace",
            )
        from components.serving.search import LatestPhotos  # a Bento has none of what this needs

        self._photos = self._photos or LatestPhotos(ROOT)
        try:
            photos = self._photos.read(self._followed().backbone)
        except ShotlineError as error:
            return _refused(HTTPStatus.CONFLICT, "not_searchable", error.what, error.remedy)
        return {"photos": [found.to_json() for found in photos.like(query, top)]}

    @bentoml.api  # type: ignore[untyped-decorator]
    def classes(self) -> list[dict[str, Any]]:
        """The classes that answers can name."""
        return self._followed().classes()

    def _followed(self) -> PhotoClassifier:
        """The classifier, of the version that is live now."""
        try:
            self._classifier.follow()
        except ShotlineError as error:  # what was live goes on answering
            _log.error("%s", error)
        return self._classifier


def _photo_error(error: PhotoError) -> dict[str, Any]:
    return {"error": {"code": error.reason, "message": error.what, "remedy": error.remedy}}


def _embedded(embedding: list[float], classifier: PhotoClassifier) -> dict[str, Any]:
    """Vectors are comparable where `backbone` is the same."""
    return {"embedding": embedding, "backbone": classifier.backbone.identity.weights[:12]}


def _refused(status: HTTPStatus, code: str, message: str, remedy: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "remedy": remedy}, "status": int(status)}


async def _classifier_failed(request: Request, error: Exception) -> Response:
    """What the classifier's own limits, or the way to it, make of a request."""
    if isinstance(error, TimeoutError):
        return status_response(HTTPStatus.GATEWAY_TIMEOUT)
    if isinstance(error, aiohttp.ClientError):
        return status_response(HTTPStatus.SERVICE_UNAVAILABLE)
    status = getattr(error, "error_code", None)
    return status_response(status if status in _LIMITS else HTTPStatus.INTERNAL_SERVER_ERROR)


@dataclass(frozen=True)
class _Form:
    """A request's form, read: field, and the uploads' names and bytes, or the texts."""

    uploads: tuple[tuple[str, str | None, bytes], ...]
    fields: tuple[tuple[str, str], ...]

    @classmethod
    async def read(cls, request: Request) -> _Form:
        """Raises HTTPException where it cannot be read."""
        async with request.form(max_files=MAX_IMAGES, max_fields=MAX_TEXTS) as form:
            items = form.multi_items()
            uploads = [
                (field, item.filename, await item.read()) for field, item in items if isinstance(item, UploadFile)
            ]
            return cls(tuple(uploads), tuple((field, item) for field, item in items if isinstance(item, str)))

    def photos(self, field: str) -> list[tuple[str | None, bytes]]:
        return [(name, content) for each, name, content in self.uploads if each == field]

    def texts(self, field: str) -> list[str]:
        return [text for each, text in self.fields if each == field and text.strip()]

    def longest_text(self) -> int:
        return max((len(text) for _, text in self.fields), default=0)


def _without(code: str, message: str, request: Request) -> Response:
    return error_response(HTTPStatus.BAD_REQUEST, code, message, _USE[request.url.path])


def _each(inputs: list[dict[str, Any]], answers: list[dict[str, Any]]) -> Response:
    """Each input with its answer; a single one that cannot be used is an error of the request."""
    if len(answers) == 1 and "error" in answers[0]:
        return JSONResponse(answers[0]["error"], HTTPStatus.UNPROCESSABLE_ENTITY)
    return JSONResponse([{**given, **answer} for given, answer in zip(inputs, answers, strict=True)])


edge = Starlette(
    exception_handlers=dict.fromkeys((BentoMLException, aiohttp.ClientError, TimeoutError), _classifier_failed)
)


# A longer timeout than the classifier's: the one that knows what was slow answers.
@bentoml.service(name="shotline", traffic={"timeout": 90, "max_concurrency": 256})
class Shotline:
    """The edge: routes, limits and errors."""

    classifier = bentoml.depends(Classifier)

    def __init__(self) -> None:
        self._bytes_held = 0
        edge.router.routes[:] = [
            Route("/", self._about),
            Route("/classes", self._classes),
            Route("/classify", self._classify, methods=["POST"]),
            Route("/embed", self._embed, methods=["POST"]),
            Route("/search", self._search, methods=["POST"]),
        ]

    async def _about(self, request: Request) -> Response:
        return JSONResponse({"service": "shotline", "use": {f"POST {route}": use for route, use in _USE.items()}})

    async def _classes(self, request: Request) -> Response:
        return JSONResponse(await self._ask(self.classifier.to_async.classes))

    async def _classify(self, request: Request) -> Response:
        async def answer(form: _Form) -> Response:
            photos = form.photos("images")
            if not photos:
                return _without("no_images", "the request has no photo in the field images", request)
            answers = await self._ask(lambda: self.classifier.to_async.classify([content for _, content in photos]))
            return _each([{"path": name} for name, _ in photos], answers)

        return await self._reading(request, answer)

    async def _embed(self, request: Request) -> Response:
        async def answer(form: _Form) -> Response:
            photos, texts = form.photos("images"), form.texts("texts")
            if not photos and not texts:
                return _without("no_input", "the request has neither a photo in images nor a text in texts", request)
            answers = []
            if photos:
                answers += await self._ask(lambda: self.classifier.to_async.embed([content for _, content in photos]))
            if texts:
                answers += await self._ask(lambda: self.classifier.to_async.embed_texts(texts))
            return _each([*({"path": name} for name, _ in photos), *({"text": text} for text in texts)], answers)

        return await self._reading(request, answer)

    async def _search(self, request: Request) -> Response:
        async def answer(form: _Form) -> Response:
            photos, texts = form.photos("image"), form.texts("text")
            top = (form.texts("top") or ["20"])[-1]
            if len(photos) + len(texts) != 1:
                return _without("no_query", "the request must have one photo in image or one text in text", request)
            if not (top.isascii() and top.isdigit() and 1 <= int(top) <= MAX_TOP):
                return _without("bad_top", f"top is {top[:20]!r}, no number from 1 to {MAX_TOP}", request)
            client = self.classifier.to_async
            if photos:
                [embedded] = await self._ask(lambda: client.embed([photos[0][1]]))
            else:
                [embedded] = await self._ask(lambda: client.embed_texts(texts))
            if "error" in embedded:
                return JSONResponse(embedded["error"], HTTPStatus.UNPROCESSABLE_ENTITY)
            found = await self._ask(lambda: client.like(embedded["embedding"], int(top)))
            if "error" in found:
                return JSONResponse(found["error"], found["status"])
            return JSONResponse(found["photos"])

        return await self._reading(request, answer)

    async def _reading(self, request: Request, answer: Callable[[_Form], Awaitable[Response]]) -> Response:
        """What `answer` makes of the request's form, once that is known to be of a size that can be read."""
        length = request.headers.get("content-length", "")
        if not length.isdigit():
            return error_response(
                HTTPStatus.LENGTH_REQUIRED,
                "length_required",
                "the request does not say how long it is",
                "send it with a Content-Length, as curl -F does",
            )
        if int(length) > MAX_BODY_BYTES:
            return error_response(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                "too_large",
                f"the request has {length} bytes; at most {MAX_BODY_BYTES} are read",
                "send fewer or smaller photos",
            )
        if not request.headers.get("content-type", "").startswith("multipart/form-data"):
            return error_response(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "not_multipart",
                "the request is not multipart/form-data",
                _USE[request.url.path],
            )
        if self._bytes_held + int(length) > MAX_BYTES_AT_ONCE:
            return status_response(HTTPStatus.SERVICE_UNAVAILABLE)
        with self._holding(int(length)):
            try:
                form = await _Form.read(request)
            except HTTPException as error:
                return error_response(
                    error.status_code,
                    "bad_request",
                    f"the request cannot be read: {error.detail.rstrip('.')}",
                    f"send at most {MAX_IMAGES} photos and {MAX_TEXTS} texts; {_USE[request.url.path]}",
                )
            if (longest := form.longest_text()) > MAX_TEXT_CHARACTERS:
                return error_response(
                    HTTPStatus.UNPROCESSABLE_ENTITY,
                    "text_too_long",
                    f"a text has {longest} characters; at most {MAX_TEXT_CHARACTERS} are read",
                    "send a shorter text: a CLIP reads some 77 tokens of it",
                )
            return await answer(form)

    async def _ask(self, question: Callable[[], Awaitable[Any]]) -> Any:
        """The classifier's answer; asked once more where the connection broke, as an idle one may just then."""
        try:
            return await question()
        except aiohttp.ClientConnectionError:
            return await question()

    @contextmanager
    def _holding(self, size_bytes: int) -> Iterator[None]:
        self._bytes_held += size_bytes
        try:
            yield
        finally:
            self._bytes_held -= size_bytes


# BentoML's own page at / loads scripts from elsewhere; what is not ours falls through to its health and metrics routes.
Shotline.add_asgi_middleware(ErrorFormAround)  # type: ignore[attr-defined]
Shotline.mount_asgi_app(edge, path="/")  # type: ignore[attr-defined]
