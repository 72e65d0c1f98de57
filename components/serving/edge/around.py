"""The layers of the edge that stand round BentoML's whole application."""

from __future__ import annotations

import os
import re

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from components.serving.edge.admin import OPEN_PATH, is_admin_path
from components.serving.edge.cors import Cors, cors_options
from components.serving.edge.errors import ErrorForm
from components.serving.edge.guard import Guard, Guarded
from components.serving.edge.limits import Limits, Uploads
from components.serving.edge.probes import Probes, Readiness
from components.serving.edge.routes import PATHS_WITH_BODY, PREFIX

__all__ = ["EdgeAround", "layers", "root_path"]


class EdgeAround:
    """ASGI middleware that puts `layers` round the whole Starlette application in which it stands, at its start.

    BentoML places a service's own middleware inside its limits of time and of number, whose errors would not pass it,
    and a slow upload would use them up.

    Args:
        app: the rest of the application.
        readiness: of the classifier.
        guard: of the workspace; None: nobody may see it.
    """

    def __init__(self, app: ASGIApp, readiness: Readiness, guard: Guard | None = None) -> None:
        self._app = app
        self._readiness = readiness
        self._guard = guard

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through."""
        if scope["type"] == "lifespan":
            whole: Starlette = scope["app"]
            assert whole.middleware_stack is not None  # it is what called this
            whole.middleware_stack = layers(whole.middleware_stack, self._readiness, guard=self._guard)
        await self._app(scope, receive, send)


def layers(app: ASGIApp, readiness: Readiness, limits: Limits | None = None, guard: Guard | None = None) -> ASGIApp:
    """From outside to inside: other sites' pages, the form of errors, what is logged, the prefix, probes, tokens, uploads."""
    app = Uploads(app, paths=PATHS_WITH_BODY, limits=limits)
    app = Probes(Guarded(app, guard or Guard(None), is_admin_path), readiness)
    prefix = root_path()
    app = ErrorForm(Printable(Prefix(app, prefix)))
    options = cors_options()
    return app if options is None else _for_others(Cors(app, **options), app, prefix)


def _for_others(with_cors: ASGIApp, app: ASGIApp, prefix: str) -> ASGIApp:
    """No other site's page may use what takes the admin token, whatever `SHOTLINE_CORS` says."""

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
    """The path within the service; one that does not begin with the prefix stays as it is."""
    if prefix and (path == prefix or path.startswith(f"{prefix}/")):
        return path.removeprefix(prefix) or "/"
    return path


class Prefix:
    """ASGI middleware that takes the prefix off a path; one that a proxy has taken off already passes as it is.

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


class Printable:
    """ASGI middleware: what BentoML writes of a request into its log is one line of text, else it would fail there.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything through, with "?" for bytes that HTTP does not allow in these places."""
        if scope["type"] == "http":
            headers = [
                (name, re.sub(rb"[^\x20-\x7e]", b"?", value) if name in (b"content-type", b"content-length") else value)
                for name, value in scope["headers"]
            ]
            path = "".join(each if each.isprintable() else "?" for each in scope["path"])
            scope = {**scope, "headers": headers, "path": path}
        await self._app(scope, receive, send)
