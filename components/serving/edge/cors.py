"""Which other sites' pages may use the service; every answer says so, or browsers would hide it from the page."""

from __future__ import annotations

import os
from http import HTTPStatus
from typing import Any

from bentoml._internal.configuration.containers import BentoMLContainer  # has its file's `http.cors`
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from components.serving.edge.errors import error_response

__all__ = ["Cors", "cors_options"]

_DEFAULTS = {
    "allow_methods": ["GET", "HEAD", "POST"],
    "allow_headers": ["*"],
    "expose_headers": ["Retry-After"],
}


def cors_options() -> dict[str, Any] | None:
    """The options of `Cors`, of `SHOTLINE_CORS` (origins with spaces between, or `*`) or of BentoML's `http.cors`.

    Returns None if neither is set: browsers then keep other sites' pages out.
    """
    if origins := os.environ.get("SHOTLINE_CORS", "").replace(",", " ").split():
        return {"allow_origins": [origin.rstrip("/") for origin in origins], **_DEFAULTS}
    if BentoMLContainer.http.cors.enabled.get():
        given = BentoMLContainer.access_control_options.get()
        return {**_DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    return None


class Cors(CORSMiddleware):
    """Starlette's, with a refused preflight in our form.

    Args:
        app: what answers.
        options: see `starlette.middleware.cors.CORSMiddleware`.
    """

    def __init__(self, app: ASGIApp, **options: Any) -> None:
        super().__init__(app, **options)

    def preflight_response(self, request_headers: Headers) -> Response:
        """The answer to a browser's preflight request."""
        response = super().preflight_response(request_headers)
        if response.status_code < HTTPStatus.BAD_REQUEST:
            return response
        kept = {name: value for name, value in response.headers.items() if not name.startswith("content-")}
        return error_response(
            response.status_code,
            "cors_refused",
            bytes(response.body).decode(),
            "name the page's origin with --cors or SHOTLINE_CORS, and use GET or POST",
            headers=kept,
        )
