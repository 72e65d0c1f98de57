"""Errors in one form, `{"code", "message", "remedy"}`, including those of BentoML and Starlette."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CLIENT_GONE", "ErrorForm", "RefusedError", "error_response", "status_response"]

CLIENT_GONE = 499  # nginx's status for a closed connection, which logs and metrics count as the client's

_FORM = {"code", "message", "remedy"}
_KEPT_HEADERS = ("allow", "connection", "retry-after", "www-authenticate")  # a client's next step may need them
_LATER = "try again in a moment"
_RETRY_AFTER = {"retry-after": "1"}
_TOLD = {
    HTTPStatus.NOT_FOUND: ("there is nothing at this address", "see GET / for what there is"),
    HTTPStatus.METHOD_NOT_ALLOWED: ("this address does not take this method", "see GET / for what there is"),
    HTTPStatus.TOO_MANY_REQUESTS: ("more requests are under way than are taken at once", _LATER),
    HTTPStatus.SERVICE_UNAVAILABLE: ("the classifier has more to do than it can, or is starting", _LATER),
    HTTPStatus.GATEWAY_TIMEOUT: (
        "there was no answer in the time that a request may take",
        "send fewer or smaller photos at once, or try again in a moment",
    ),
}


class RefusedError(Exception):
    """A request that is refused; raised while it is read, caught by `edge_application`.

    Args:
        status: the HTTP status.
        code: one word for programs.
        message: what is wrong with the request.
        remedy: what to send instead.
        headers: of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, remedy: str, *, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.response = error_response(status, code, message, remedy, headers=headers)


def error_response(
    status: int, code: str, message: str, remedy: str, *, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An error response; a temporary error says when to try again."""
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers = {**_RETRY_AFTER, **(headers or {})}
    return JSONResponse({"code": code, "message": message, "remedy": remedy}, status, headers)


def status_response(number: int, *, headers: dict[str, str] | None = None) -> JSONResponse:
    """The error for a status about which nothing else may be revealed; its code is the status's name."""
    try:
        status = HTTPStatus(number)
    except ValueError:  # proxies and servers have statuses of their own
        status = HTTPStatus.INTERNAL_SERVER_ERROR if number >= 500 else HTTPStatus.BAD_REQUEST
    code = status.phrase.lower().replace(" ", "_").replace("-", "_")
    remedy = f"{_LATER}; see the service's log if it stays" if number >= 500 else "see GET / for what there is"
    message, remedy = _TOLD.get(status, (status.description or status.phrase, remedy))
    return error_response(number, code, message, remedy, headers=headers)


class ErrorForm:
    """ASGI middleware: it replaces an error response of another form by one of ours, without its text."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through but the bodies of error responses."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun: Message | None = None
        body = b""
        answered = False

        async def examine(message: Message) -> None:
            nonlocal begun, body, answered
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                begun = message
            elif begun is None:
                answered = True
                await send(message)
            elif message["type"] == "http.response.body":
                body += message.get("body", b"")
                if message.get("more_body"):
                    return
                answered = True
                if _is_ours(body):
                    await send(begun)
                    await send({"type": "http.response.body", "body": body})
                else:
                    told = Headers(raw=begun["headers"])
                    kept = {name: told[name] for name in _KEPT_HEADERS if name in told}
                    await status_response(begun["status"], headers=kept)(scope, receive, send)

        try:
            await self._app(scope, receive, examine)
        finally:
            if not answered:  # BentoML's limit of time says nothing if an exception came first
                await status_response(HTTPStatus.INTERNAL_SERVER_ERROR)(scope, receive, send)


def _is_ours(body: bytes) -> bool:
    try:
        content: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(content, dict) and content.keys() == _FORM
