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
    from components.serving.answers import PhotoClassifier

__all__ = ["Classifier", "Shotline"]

_log = logging.getLogger(__name__)

ROOT = Path(os.environ.get("SHOTLINE_WORKSPACE") or Path(__file__).resolve().parents[2])
MAX_IMAGES = 64  # in one request
MAX_BODY_BYTES = 128_000_000
MAX_BYTES_AT_ONCE = 512_000_000  # of all requests under way: each byte is held about four times on its way

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

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=10_000)  # type: ignore[untyped-decorator]
    def classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        """One object a photo: an answer, or `error` with what is wrong with the photo."""
        from components.serving.answers import Answer

        return [
            answer.to_json()
            if isinstance(answer, Answer)
            else {"error": {"code": answer.reason, "message": answer.what, "remedy": answer.remedy}}
            for answer in self._followed().answer(photos)
        ]

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


async def _classifier_failed(request: Request, error: Exception) -> Response:
    """What the classifier's own limits, or the way to it, make of a request."""
    if isinstance(error, TimeoutError):
        return status_response(HTTPStatus.GATEWAY_TIMEOUT)
    if isinstance(error, aiohttp.ClientError):
        return status_response(HTTPStatus.SERVICE_UNAVAILABLE)
    status = getattr(error, "error_code", None)
    return status_response(status if status in _LIMITS else HTTPStatus.INTERNAL_SERVER_ERROR)


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
        ]

    async def _about(self, request: Request) -> Response:
        return JSONResponse({"service": "shotline", "use": "POST /classify with photos in the multipart field images"})

    async def _classes(self, request: Request) -> Response:
        return JSONResponse(await self._ask(self.classifier.to_async.classes))

    async def _classify(self, request: Request) -> Response:
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
                "send photos in the multipart field images: curl -F images=@photo.jpg URL/classify",
            )
        if self._bytes_held + int(length) > MAX_BYTES_AT_ONCE:
            return status_response(HTTPStatus.SERVICE_UNAVAILABLE)
        with self._holding(int(length)):
            return await self._classify_uploads(request)

    async def _classify_uploads(self, request: Request) -> Response:
        try:
            async with request.form(max_files=MAX_IMAGES, max_fields=16) as form:
                uploads = [upload for upload in form.getlist("images") if isinstance(upload, UploadFile)]
                photos = [await upload.read() for upload in uploads]
        except HTTPException as error:
            return error_response(
                error.status_code,
                "bad_request",
                f"the request cannot be read: {error.detail.rstrip('.')}",
                f"send at most {MAX_IMAGES} photos in the multipart field images: curl -F images=@photo.jpg URL/classify",
            )
        if not photos:
            return error_response(
                HTTPStatus.BAD_REQUEST,
                "no_images",
                "the request has no photo in the field images",
                "send photos in the multipart field images: curl -F images=@photo.jpg URL/classify",
            )
        answers = await self._ask(lambda: self.classifier.to_async.classify(photos))
        named = [{"path": upload.filename, **answer} for upload, answer in zip(uploads, answers, strict=True)]
        if len(named) == 1 and "error" in named[0]:
            return JSONResponse(named[0]["error"], HTTPStatus.UNPROCESSABLE_ENTITY)
        return JSONResponse(named)

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
