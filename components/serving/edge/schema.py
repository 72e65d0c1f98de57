"""`/schema.json`: what `bentoml.SyncHTTPClient(URL)` reads to know a service's methods.

BentoML writes it of its own routes; ours are mounted beside them, so that it would name none. `add_class` is left out:
that client writes a form's texts in JSON's quotes, which would be part of the class's name.
"""

from __future__ import annotations

from typing import Any

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from components.serving.edge.errors import status_response

__all__ = ["Schema", "schema"]

_PATH = "/schema.json"
_TEXT = {"type": "string"}
_NUMBER = {"type": "integer"}
_IMAGE = {"type": "file", "format": "image"}
_IMAGES = {"type": "array", "items": _IMAGE}
_ROWS = {"type": "array", "items": {"type": "object"}}
_OBJECT = {"type": "object"}


def schema() -> dict[str, Any]:
    """The methods, in BentoML's form; each is a POST of a route of ours."""
    return {
        "name": "shotline",
        "type": "service",
        "description": "A few-shot image classifier that can be taught.",
        "routes": [
            _method("classify", "/classify", "Say what is on photos", _ROWS, ("images",), images=_IMAGES),
            _method("embed", "/embed", "Unit vectors of photos", _ROWS, ("images",), images=_IMAGES),
            _method(
                "embed_texts",
                "/embed",
                "Unit vectors of texts",
                _ROWS,
                ("texts",),
                texts={"type": "array", "items": _TEXT},
            ),
            _method("search", "/search", "Photos most alike to one", _ROWS, ("image",), image=_IMAGE, top=_NUMBER),
            _method("search_text", "/search", "Photos most alike to a text", _ROWS, ("text",), text=_TEXT, top=_NUMBER),
            _method("remove_class", "/remove_class", "An added class less", _OBJECT, ("name",), name=_TEXT),
            _method(
                "rename_class",
                "/rename_class",
                "An added class called otherwise",
                _OBJECT,
                ("name", "new_name"),
                name=_TEXT,
                new_name=_TEXT,
            ),
            _method("rollback", "/rollback", "An earlier version live again", _OBJECT, (), version=_TEXT),
        ],
    }


class Schema:
    """ASGI middleware that answers `/schema.json`.

    Args:
        app: what answers the rest.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything else through."""
        if scope["type"] != "http" or scope["path"] != _PATH:
            await self._app(scope, receive, send)
            return
        response: Response = JSONResponse(schema())
        if scope["method"] not in ("GET", "HEAD"):
            response = status_response(405, headers={"allow": "GET, HEAD"})
        await response(scope, receive, send)


def _method(
    name: str, route: str, description: str, output: dict[str, Any], required: tuple[str, ...], /, **fields: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "route": route,
        "description": description,
        "batchable": False,
        "input": {"type": "object", "properties": fields, "required": list(required)},
        "output": output,
        "is_task": False,
    }
