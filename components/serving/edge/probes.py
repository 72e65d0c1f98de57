"""Probes: whether the service is alive and whether it can answer; they answer at once, also under load."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from http import HTTPStatus
from time import monotonic

import aiohttp
from bentoml.exceptions import BentoMLException
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from components.serving.edge.errors import error_response, status_response

__all__ = ["Probes", "Readiness"]

_ALIVE = ("/livez", "/healthz")
_READY = "/readyz"
_PERIOD_S = 0.5
_PATIENCE_S = 6.0  # a busy classifier may take so long to reply; if it is gone, a request notices


class Readiness:
    """Whether the classifier answers, checked in the background, since a direct probe might have to wait for it.

    BentoML's own `/readyz` waits while a classifier loads, and then keeps the service from ending.

    Args:
        ask: asks whether the classifier is ready; it may take any time, or raise its client's errors.
    """

    def __init__(self, ask: Callable[[], Awaitable[bool]]) -> None:
        self._ask = ask
        self._answered: float | None = None

    @property
    def ready(self) -> bool:
        """Whether it has answered lately."""
        return self._answered is not None and monotonic() - self._answered < _PATIENCE_S

    def lost(self) -> None:
        """Note that the connection broke: it is not ready until it answers again."""
        self._answered = None

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """Keep asking within the block."""
        task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _watch(self) -> None:
        while True:
            begun = monotonic()
            try:
                async with asyncio.timeout(_PATIENCE_S):
                    if await self._ask():
                        self._answered = begun
            except (TimeoutError, aiohttp.ClientError, BentoMLException, OSError, RuntimeError):
                pass  # RuntimeError: aiohttp's session is closed because the service ends
            await asyncio.sleep(_PERIOD_S)


class Probes:
    """ASGI middleware that answers `/livez`, `/healthz` and `/readyz` itself.

    Args:
        app: what answers the rest.
        readiness: of the classifier.
    """

    def __init__(self, app: ASGIApp, readiness: Readiness) -> None:
        self._app = app
        self._readiness = readiness

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything else through."""
        if scope["type"] != "http" or scope["path"] not in (*_ALIVE, _READY):
            await self._app(scope, receive, send)
        else:
            await self._answer(scope)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return status_response(HTTPStatus.METHOD_NOT_ALLOWED, headers={"allow": "GET, HEAD"})
        if scope["path"] in _ALIVE or self._readiness.ready:
            return PlainTextResponse("ok\n")
        return error_response(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "not_ready",
            "the classifier is starting, or is away",
            "try again in a moment",
        )
