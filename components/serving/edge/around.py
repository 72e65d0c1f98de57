"""The layers of the edge around BentoML's whole application."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from components.serving.edge.admin import OPEN_PATH, PHOTO, is_admin_path
from components.serving.edge.cors import Cors, cors_options
from components.serving.edge.errors import ErrorForm
from components.serving.edge.guard import Guard, Guarded
from components.serving.edge.limits import UploadLimits, Uploads
from components.serving.edge.openapi import openapi_document
from components.serving.edge.pages import page_files
from components.serving.edge.probes import Probes, Readiness
from components.serving.edge.request_log import RequestLog
from components.serving.edge.routes import PATHS_WITH_BODY, PREFIX
from components.serving.edge.schema import Schema

__all__ = ["EdgeAround", "known_paths", "layers", "root_path"]


class EdgeAround:
    """ASGI middleware that puts `layers` around the whole Starlette application that contains it, at its start.

    BentoML places a service's own middleware inside its limits of time and number. The errors of these limits would not
    pass our layers, and slow uploads would use the limits up.

    Args:
        app: the rest of the application.
        readiness: of the classifier.
        guard: of the workspace; None: the workspace is not accessible.
        paths: see `Known`.
    """

    def __init__(
        self, app: ASGIApp, readiness: Readiness, guard: Guard | None = None, paths: Collection[str] | None = None
    ) -> None:
        self._app = app
        self._readiness = readiness
        self._guard = guard
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through."""
        if scope["type"] == "lifespan":
            whole: Starlette = scope["app"]
            assert whole.middleware_stack is not None  # the application that called this
            whole.middleware_stack = layers(
                whole.middleware_stack, self._readiness, guard=self._guard, paths=self._paths
            )
        await self._app(scope, receive, send)


def layers(
    app: ASGIApp,
    readiness: Readiness,
    limits: UploadLimits | None = None,
    guard: Guard | None = None,
    paths: Collection[str] | None = None,
) -> ASGIApp:
    """The layers, outermost first: log, other sites' pages, form of errors, prefix, known addresses, BentoML's schema,
    probes, tokens, uploads.
    """
    app = Uploads(app, paths=PATHS_WITH_BODY, limits=limits)
    app = Schema(Probes(Guarded(app, guard or Guard(None), is_admin_path), readiness))
    prefix = root_path()
    app = ErrorForm(Printable(Prefix(Known(app, paths), prefix)))
    options = cors_options()
    return RequestLog(app if options is None else _for_others(Cors(app, **options), app, prefix))


def _for_others(with_cors: ASGIApp, app: ASGIApp, prefix: str) -> ASGIApp:
    """Keep other sites' pages from addresses that take the admin token, also if `SHOTLINE_CORS` allows pages."""

    async def chosen(scope: Scope, receive: Receive, send: Send) -> None:
        path = without_prefix(scope["path"], prefix) if scope["type"] == "http" else ""
        own = is_admin_path(path) or path == OPEN_PATH
        await (app if own else with_cors)(scope, receive, send)

    return chosen


def root_path() -> str:
    """The path's prefix under which a proxy offers the service, of `SHOTLINE_ROOT_PATH`; "" for none."""
    prefix = os.environ.get("SHOTLINE_ROOT_PATH", "").strip("/")
    return f"/{prefix}" if prefix else ""


def without_prefix(path: str, prefix: str) -> str:
    """The path within the service; a path without the prefix is not changed."""
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path.removeprefix(prefix) or "/"
    return path


class Prefix:
    """ASGI middleware that removes the prefix from a path; a path from which a proxy has removed it passes unchanged.

    Args:
        app: what answers.
        prefix: see `root_path`.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through."""
        if self._prefix and scope["type"] in ("http", "websocket"):
            path: str = scope["path"]
            scope = {**scope, PREFIX: self._prefix}
            if (rest := without_prefix(path, self._prefix)) != path:
                scope |= {"path": rest, "raw_path": rest.encode()}
        await self._app(scope, receive, send)


class Known:
    """ASGI middleware: all unknown addresses pass as one, since BentoML keeps metrics of every address that it sees.

    Args:
        app: what answers.
        paths: the known addresses; None: all.
    """

    def __init__(self, app: ASGIApp, paths: Collection[str] | None) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through."""
        if scope["type"] == "http":
            path: str = scope["path"]
            if path.startswith("/photos/"):
                scope = {**scope, "path": "/photos/-", "raw_path": b"/photos/-", PHOTO: path.removeprefix("/photos/")}
            elif self._paths is not None and path not in self._paths:
                scope = {**scope, "path": "/-", "raw_path": b"/-"}
        await self._app(scope, receive, send)


def known_paths() -> frozenset[str]:
    """Every address of the service, BentoML's own included."""
    told = {path for path in openapi_document()["paths"] if "{" not in path}
    return frozenset(told | {f"/page/{name}" for name in page_files()} | {"/healthz", "/docs.json", "/schema.json"})


class Printable:
    """ASGI middleware: it replaces bytes of a request that BentoML could not write into its log as one line of text.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through, with "?" for bytes that HTTP does not allow there."""
        if scope["type"] == "http":
            headers = [
                (name, re.sub(rb"[^\x20-\x7e]", b"?", value) if name in (b"content-type", b"content-length") else value)
                for name, value in scope["headers"]
            ]
            path = "".join(each if each.isprintable() else "?" for each in scope["path"])
            scope = {**scope, "headers": headers, "path": path}
        await self._app(scope, receive, send)
