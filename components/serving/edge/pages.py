"""The page at `/` and its parts: files of this package, held in memory; no request's path reaches the disk."""

from __future__ import annotations

import hashlib
import html
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from components.look import LOOK
from components.serving.edge.openapi import openapi_document

__all__ = ["PREFIX", "page", "page_files", "page_routes", "wants_page"]

PREFIX = "shotline.prefix"  # key in a request's scope: the prefix of the service's addresses

_FOLDER = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'self'; form-action 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@dataclass(frozen=True)
class _File:
    content: bytes
    media_type: str

    @property
    def tag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:16]}"'


def page_routes() -> list[Route]:
    """The files of the page under `/page/`, the OpenAPI document, and the page that shows it."""

    async def file(request: Request) -> Response:
        found = page_files().get(request.path_params["name"])
        return Response(status_code=404) if found is None else _answer(request, found)

    async def docs(request: Request) -> Response:
        return page(request, "docs.html")

    async def openapi(request: Request) -> Response:
        return JSONResponse(openapi_document(str(request.scope.get(PREFIX, ""))))

    return [Route("/page/{name}", file), Route("/docs", docs), Route("/openapi.json", openapi)]


def wants_page(request: Request) -> bool:
    """Whether the client is a browser, which shows a page, and not a program, which reads JSON."""
    accepted = request.headers.get("accept", "")
    return "text/html" in accepted and not accepted.startswith("application/json")


def page(request: Request, name: str) -> Response:
    """An HTML file of the page, with addresses below the service's prefix."""
    prefix = html.escape(str(request.scope.get(PREFIX, "")), quote=True)
    found = page_files()[name]
    return _answer(request, _File(found.content.replace(b"%PREFIX%", prefix.encode()), found.media_type))


def _answer(request: Request, file: _File) -> Response:
    headers = {**_HEADERS, "etag": file.tag, "vary": "accept"}
    if file.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(file.content, media_type=file.media_type, headers=headers)


@cache
def page_files() -> dict[str, _File]:
    """The files by name."""
    paths = [LOOK, *sorted(path for path in _FOLDER.iterdir() if path.suffix in _TYPES)]
    return {path.name: _File(path.read_bytes(), _TYPES[path.suffix]) for path in paths}
