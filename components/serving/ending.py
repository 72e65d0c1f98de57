"""A service ends within seconds of being told to, whatever a request, a probe or a model that loads still waits for."""

from __future__ import annotations

import logging
import os
import signal
import threading
from types import FrameType

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["EndsInTime"]

_log = logging.getLogger("bentoml.shotline")  # BentoML writes what comes under its own name
_WITHIN_S = 2.0
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class EndsInTime:
    """ASGI middleware: SIGTERM and SIGINT end the process within two seconds, and at once while it starts.

    What is under way has that long to finish. uvicorn alone waits for every request and every model that loads, and
    BentoML waits a day for uvicorn.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._started = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through."""
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
            limit = threading.Timer(_WITHIN_S, _end)
            limit.daemon = True
            limit.start()
            if callable(usual := before[signal.Signals(number)]):
                usual(number, frame)

        for number in _SIGNALS:
            signal.signal(number, handle)
        await self._app(scope, receive, noting)


def _end() -> None:
    _log.warning("ended after %.0f s, with work still under way", _WITHIN_S)
    logging.shutdown()
    os._exit(0)
