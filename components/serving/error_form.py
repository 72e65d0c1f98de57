"""Errors in one form, `{"code", "message", "remedy"}`, also those that BentoML or Starlette make before us."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["ErrorForm", "error_response"]

_FORM = {"code", "message", "remedy"}


def error_response(status: HTTPStatus, code: str, message: str, remedy: str) -> JSONResponse:
    """An error as every route answers it."""
    return JSONResponse({"code": code, "message": message, "remedy": remedy}, status)


class ErrorForm:
    """ASGI middleware: an error response of another form is replaced by one of ours, its text never passed on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through but the bodies of error responses."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun: Message | None = None
        body = b""

        async def examine(message: Message) -> None:
            nonlocal begun, body
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                begun = message
            elif begun is None:
                await send(message)
            elif message["type"] == "http.response.body":
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                if _is_ours(body):
                    await send(begun)
                    await send({"type": "http.response.body", "body": body})
                else:
                    await _replacement(begun["status"])(scope, receive, send)

        await self._app(scope, receive, examine)


def _is_ours(body: bytes) -> bool:
    try:
        content: Any = json.loads(body)
    except ValueError:
        return False
    return isinstance(content, dict) and content.keys() == _FORM


def _replacement(number: int) -> JSONResponse:
    status = HTTPStatus(number)
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    remedy = "try again; see the service's log if it stays" if number >= 500 else "see GET /docs.json for what there is"
    return error_response(status, code, status.description or status.phrase, remedy)
