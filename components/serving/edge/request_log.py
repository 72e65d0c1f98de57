"""One line of JSON per request, on standard output: address and outcome, but nothing of the contents."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from time import perf_counter

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestLog"]

_SKIPPED = ("/livez", "/healthz", "/readyz", "/metrics")
_MOST_LETTERS = 200


class RequestLog:
    """ASGI middleware that writes `time`, `client`, `method`, `path`, `status`, `ms`, `received_bytes`, `sent_bytes`.

    Args:
        app: what answers.
        write: takes a line; None: standard output.
    """

    def __init__(self, app: ASGIApp, write: Callable[[str], object] | None = None) -> None:
        self._app = app
        self._write = write or _print

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through; requests for probes and metrics are not logged."""
        if scope["type"] != "http" or scope["path"].endswith(_SKIPPED):
            await self._app(scope, receive, send)
            return
        begun = perf_counter()
        status = sent = 0

        async def noting(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
            sent += len(message.get("body", b""))
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            length = Headers(scope=scope).get("content-length", "")
            line = {
                "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
                "client": (scope.get("client") or ("",))[0],
                "method": scope["method"],
                "path": scope["path"][:_MOST_LETTERS],
                "status": status,
                "ms": round(1000 * (perf_counter() - begun), 1),
                "received_bytes": int(length) if length.isdecimal() and len(length) < 20 else None,
                "sent_bytes": sent,
            }
            self._write(json.dumps(line))


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
