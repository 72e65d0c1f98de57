"""BentoML's limit of a request's time, whose timers end with their requests.

BentoML 1.4 starts a timer for each request and never cancels it. The timer holds the request's tracing context, some five
kilobytes, until the whole limit has passed: at a hundred requests a second and ten minutes, 300 MB.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from bentoml._internal.server.http import traffic
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestTimeout", "take_its_place"]


class RequestTimeout:
    """ASGI middleware: 504 where no answer has begun within so many seconds; the request is cancelled.

    Args:
        app: what answers.
        timeout: seconds.
    """

    def __init__(self, app: ASGIApp, timeout: float) -> None:
        self._app = app
        self._timeout = timeout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through, in time."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(self._timeout) as limit:

                async def begun(message: Message) -> None:
                    if limit.when() is not None:
                        limit.reschedule(None)  # what has begun may take its time
                    await send(message)

                await self._app(scope, receive, begun)
        except TimeoutError:
            if not limit.expired():  # one of the application's own
                raise
            error = {"error": f"Not able to process the request in {self._timeout} seconds"}  # BentoML's words
            await JSONResponse(error, HTTPStatus.GATEWAY_TIMEOUT)(scope, receive, send)


def take_its_place() -> None:
    """Have the services that BentoML makes in this process use `RequestTimeout`; its own layers have no place for it."""
    traffic.TimeoutMiddleware = RequestTimeout
