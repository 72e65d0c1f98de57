"""Ends a service within seconds after a signal, also if a request, a probe or a loading model still waits."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from types import FrameType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["EndsInTime"]

_log = logging.getLogger("bentoml.shotline")  # BentoML prints messages of its own logger
_GRACE_S = 0.5
_WITHIN_S = 2.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class EndsInTime:
    """ASGI middleware: SIGTERM and SIGINT end the process within three seconds, and at once while it starts.

    For half a second it keeps answering, but each answer closes its connection: uvicorn closes idle connections at
    once, and a request that a client just sends over one would be lost. Then no new requests are accepted, and those
    under way have two seconds to finish. uvicorn alone waits for every request and every loading model, and BentoML
    waits a day for uvicorn.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._started = False
        self._ending = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through."""
        if scope["type"] == "http":
            await self._app(scope, receive, self._closing(send))
            return
        if scope["type"] != "lifespan" or threading.current_thread() is not threading.main_thread():
            await self._app(scope, receive, send)
            return

        async def noting(message: Message) -> None:
            self._started = self._started or message["type"] == "lifespan.startup.complete"
            await send(message)

        before = {number: signal.getsignal(number) for number in _SIGNALS}

        def handle(number: int, frame: FrameType | None) -> None:
            if not self._started:
                os._exit(0)
            if not self._ending:
                self._ending = True
                _later(_GRACE_S, lambda: os.kill(os.getpid(), signal.SIGTERM))
                _later(_GRACE_S + _WITHIN_S, _end)
            elif callable(usual := before[signal.Signals(number)]):
                usual(number, frame)

        for number in _SIGNALS:
            signal.signal(number, handle)
        await self._app(scope, receive, noting)

    def _closing(self, send: Send) -> Send:
        """Send; an answer that begins after the signal closes its connection."""

        async def sending(message: Message) -> None:
            if self._ending and message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != b"connection"]
                message = {**message, "headers": [*kept, (b"connection", b"close")]}
            await send(message)

        return sending


def _later(seconds: float, what: Callable[[], object]) -> None:
    timer = threading.Timer(seconds, what)
    timer.daemon = True
    timer.start()


def _end() -> None:
    _log.warning("ended after %.0f s, with work still under way", _WITHIN_S)
    logging.shutdown()
    os._exit(0)
