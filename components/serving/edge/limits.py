"""Limits of a request's size, photos and slowness: its body is read completely before anything else waits for it.

So a slow or broken upload takes no place among the requests under way, and no time of the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from components.serving.edge.archives import ARCHIVE
from components.serving.edge.errors import CLIENT_GONE, RefusedError
from components.serving.edge.forms import MEDIA_TYPES, media_type

__all__ = [
    "MAX_TEXTS",
    "MAX_TEXT_CHARACTERS",
    "MAX_TOP",
    "MOST_PHOTOS",
    "REFUSED",
    "UploadLimits",
    "Uploads",
    "refused",
]

MOST_PHOTOS = 64
"""Photos of one request. An archive's: `MOST_IN_ARCHIVE`; bytes and pixels of a photo: `components.ingest.Limits`."""
MAX_TEXTS = 64
MAX_TEXT_CHARACTERS = 2_000  # a CLIP reads about 77 tokens
MAX_TOP = 1_000

REFUSED = "shotline.refused"  # key in a request's scope: the answer that is known before it is read
_CLOSE = {"connection": "close"}
_SLOW = "send it over a faster line, or fewer and smaller photos"


@dataclass(frozen=True)
class UploadLimits:
    """The limits for clients.

    Attributes:
        body_bytes: bytes of one request.
        bytes_at_once: bytes of all requests under way, counted as they come; each byte is held about three times.
        stretch_s: seconds of an interval; a body, or the rest of it, may take one.
        stretch_bytes: bytes that must come in each interval.
        upload_s: seconds that a whole body may take.
    """

    body_bytes: int = 128_000_000
    bytes_at_once: int = 512_000_000
    stretch_s: float = 10
    stretch_bytes: int = 5_000
    upload_s: float = 600


class Uploads:
    """ASGI middleware: it reads a POST's body, then passes the request on with the body or with the refusal.

    A refused request is passed on, so that it is logged and counted; `refused` answers it.

    Args:
        app: what answers.
        paths: addresses whose body is read; other addresses take none.
        archives: addresses whose body may be a zip archive.
        limits: how much and how slowly.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        paths: Collection[str],
        archives: Collection[str] = ("/classify",),
        limits: UploadLimits | None = None,
    ) -> None:
        self._app = app
        self._paths = frozenset(paths)
        self._archives = frozenset(archives)
        self._limits = limits or UploadLimits()
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything else through."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._paths or REFUSED in scope:
            await self._app(scope, receive, send)
            return
        body = _Body(self)
        try:
            try:
                self._check(Headers(scope=scope), scope["path"])
                await body.read(receive)
            except RefusedError as refusal:
                scope = {**scope, REFUSED: refusal.response}
            await self._app(scope, body.replay(receive), send)
        finally:
            body.release()

    def take(self, size_bytes: int) -> None:
        """Count received bytes.

        Raises:
            RefusedError: they are more than are held at once.
        """
        if self._held + size_bytes > self._limits.bytes_at_once:
            raise RefusedError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "service_unavailable",
                "the service holds as many photos as it can",
                "try again in a moment",
            )
        self._held += size_bytes

    def give_back(self, size_bytes: int) -> None:
        """Release counted bytes."""
        self._held -= size_bytes

    @property
    def limits(self) -> UploadLimits:
        """The limits."""
        return self._limits

    def _check(self, headers: Headers, path: str) -> None:
        """Check the headers."""
        archive = (ARCHIVE,) if path in self._archives else ()
        if media_type(headers.get("content-type", "")) not in (*MEDIA_TYPES, *archive):
            raise RefusedError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "not_multipart",
                "the request is neither multipart/form-data nor application/json"
                + ", nor application/zip" * bool(archive),
                f"see GET / for how to use {path}",
            )
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._limits.body_bytes:
            raise _too_large(f"{length} bytes", self._limits)


class _Body:
    """A body that is being received."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads
        self._limits = uploads.limits
        self._chunks: list[bytes] = []
        self._size = 0
        self._whole = b""

    async def read(self, receive: Receive) -> None:
        """Read all of it.

        Raises:
            RefusedError: it is too large or too slow, too much is held already, or the client has gone.
        """
        begun = stretch_begun = monotonic()
        brought = 0
        while True:
            message = await self._next(
                receive, min(stretch_begun + self._limits.stretch_s, begun + self._limits.upload_s)
            )
            chunk = message.get("body", b"")
            self._uploads.take(len(chunk))
            self._size += len(chunk)
            self._chunks.append(chunk)
            if self._size > self._limits.body_bytes:
                raise _too_large("no end yet", self._limits, headers=_CLOSE)  # else a chunked body could go on for ever
            if not message.get("more_body"):
                break
            brought += len(chunk)
            if brought >= self._limits.stretch_bytes:
                brought, stretch_begun = 0, monotonic()
        self._whole = b"".join(self._chunks)
        self._chunks.clear()

    async def _next(self, receive: Receive, until: float) -> Message:
        try:
            async with asyncio.timeout(until - monotonic()):
                message = await receive()
        except TimeoutError:
            raise RefusedError(
                HTTPStatus.REQUEST_TIMEOUT,
                "request_timeout",
                f"the request came too slowly: {self._size} bytes of it have arrived",
                _SLOW,
                headers=_CLOSE,
            ) from None
        if message["type"] == "http.disconnect":
            raise RefusedError(
                CLIENT_GONE, "client_gone", "the client went away before the whole request had come", _SLOW
            )
        return message

    def replay(self, receive: Receive) -> Receive:
        """Give the body as one message; later messages come from the client's connection."""
        left = [self._whole]
        self._whole = b""

        async def one() -> Message:
            if left:
                return {"type": "http.request", "body": left.pop(), "more_body": False}
            return await receive()

        return one

    def release(self) -> None:
        """Release its bytes."""
        self._uploads.give_back(self._size)
        self._size = 0


def _too_large(what: str, limits: UploadLimits, *, headers: dict[str, str] | None = None) -> RefusedError:
    return RefusedError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "too_large",
        f"the request has {what}; at most {limits.body_bytes} are read",
        "send fewer or smaller photos",
        headers=headers,
    )


def refused(app: ASGIApp) -> ASGIApp:
    """ASGI middleware: it answers requests that `Uploads` has refused."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await (scope.get(REFUSED) or app)(scope, receive, send)

    return answer
