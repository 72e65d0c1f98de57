"""The OpenAPI document of the service: every address with its input, output and examples; `docs` shows it as a page.

It is the only list of addresses: an address that is not here is not found, an operation with `security` needs the admin
token, and a body is read only for a POST that is here.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from components.serving.edge.limits import MAX_TEXT_CHARACTERS, MAX_TEXTS, MAX_TOP, MOST_PHOTOS
from components.serving.edge.openapi_schemas import ERROR, ERRORS, SCHEMAS

__all__ = ["admin_paths", "openapi_document", "paths_with_body"]

_ALWAYS = (429, 500, 503, 504)
_WITH_BODY = (400, 408, 413, 415, 422, *_ALWAYS)
_ADMIN = (401, 403, 409)
_PHOTOS = {
    "type": "array",
    "items": {
        "type": "string",
        "format": "binary",
        "description": "JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF; base64 in JSON",
    },
    "maxItems": MOST_PHOTOS,
    "description": "photos; the field image is taken too, and in JSON each is base64",
}
_TEXTS = {
    "type": "array",
    "items": {"type": "string", "maxLength": MAX_TEXT_CHARACTERS},
    "maxItems": MAX_TEXTS,
    "description": "texts",
}


def openapi_document(prefix: str = "") -> dict[str, Any]:
    """The document, OpenAPI 3.1.

    Args:
        prefix: the path under which the service is offered; "" for none.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Shotline",
            "version": _version(),
            "description": "A few-shot image classifier that can be taught.",
        },
        "servers": [{"url": prefix or "/"}],
        "paths": {path: dict(methods) for path, methods in _paths().items()},
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {"admin": {"type": "http", "scheme": "bearer", "description": "SHOTLINE_ADMIN_TOKEN"}},
        },
    }


def admin_paths() -> frozenset[str]:
    """The addresses that need the admin token; for `/photos/{photo}` the part before the brace."""
    found = [path for path, methods in _paths().items() if any("security" in each for each in methods.values())]
    return frozenset(path.partition("{")[0] for path in found)


def paths_with_body() -> frozenset[str]:
    """The addresses whose POST takes a form or JSON."""
    return frozenset(path for path, methods in _paths().items() if "post" in methods)


_PHOTO_IN_PATH = {"name": "photo", "in": "path", "required": True, "schema": {"type": "string"}}
_OF_CLASS = {"name": "class", "in": "query", "description": "one class; without it the first photos of each"}
_HOW_MANY = {
    "name": "top",
    "in": "query",
    "description": "how many; 20 where nothing is said",
    "schema": {"type": "integer", "minimum": 1, "maximum": 200},
}
_MOVED = {"$ref": "#/components/schemas/Moved"}
_SEND = "-F images=@photo.jpg"


def _paths() -> dict[str, dict[str, Any]]:
    return {**_answering(), **_changing(), **_teaching(), **_labels(), **_looking(), **_reading()}


def _answering() -> dict[str, dict[str, Any]]:
    """Operations on photos and texts."""
    return {
        "/classify": {
            "post": _with_archive(
                _post("Say what is on photos", {"images": _PHOTOS}, _each("Answer"), f"{_SEND} URL/classify")
            )
        },
        "/embed": {
            "post": _post(
                "Unit vectors of photos and texts, in one space",
                {"images": _PHOTOS, "texts": _TEXTS},
                _each("Embedded"),
                f"{_SEND} -F texts=rust URL/embed",
            )
        },
        "/search": {
            "post": _post(
                "The workspace's photos most alike to one photo or one text",
                {
                    "images": {**_PHOTOS, "maxItems": 1},
                    "text": {"type": "string"},
                    "top": {"type": "integer", "minimum": 1, "maximum": MAX_TOP},
                },
                _each("Found"),
                "-F text=rust -F top=20 URL/search",
                more=(404, 409),
            )
        },
        "/classes": {"get": _get("The classes that answers can name", _each("Class"), more=(409,))},
    }


def _changing() -> dict[str, dict[str, Any]]:
    """Operations that change the classes; they need the admin token."""
    return {
        "/add_class": {
            "post": _post(
                "Add a class, which is live in seconds, or photos to one",
                {
                    "name": _text("what it is called"),
                    "images": _PHOTOS,
                    "force": {"type": "boolean", "description": "overrule the gate"},
                },
                {"$ref": "#/components/schemas/Outcome"},
                f"-F name='torn fabric' {_SEND} URL/add_class",
                needed=("name", "images"),
                more=_ADMIN,
            )
        },
        "/remove_class": {
            "post": _post(
                "Remove an added class",
                {"name": _text("of the class")},
                _MOVED,
                "-F name='torn fabric' URL/remove_class",
                needed=("name",),
                more=_ADMIN,
            )
        },
        "/rename_class": {
            "post": _post(
                "Rename an added class",
                {"name": _text("its name now"), "new_name": _text("its new name")},
                _MOVED,
                "-F name=old -F new_name=new URL/rename_class",
                needed=("name", "new_name"),
                more=_ADMIN,
            )
        },
        "/rollback": {
            "post": _post(
                "Make an earlier version live again",
                {"version": _text("its name, or how that begins; without it the one before")},
                _MOVED,
                "-F version=VERSION URL/rollback",
                more=_ADMIN,
            )
        },
    }


def _teaching() -> dict[str, dict[str, Any]]:
    """Operations for training, and for words on photos of the pool."""
    return {
        "/train": {
            "post": _post(
                "Train on data/raw, in a process of its own",
                {
                    "shots": {"type": "integer", "minimum": 0, "description": "photos per class; 0 takes all"},
                    "seed": {"type": "integer", "minimum": 0, "description": "which photos are drawn"},
                },
                {"$ref": "#/components/schemas/Training"},
                "-F shots=0 URL/train",
                more=_ADMIN,
                status=202,
            ),
            "get": _get("Progress of the training", {"$ref": "#/components/schemas/Training"}, admin=True),
        },
        "/review": {
            "get": _get(
                "The photos of the pool most worth a label: likeliest classes, look-alikes",
                {"type": "array", "items": {"type": "object"}},
                admin=True,
                parameters=[_HOW_MANY],
                more=(400, 422),
            ),
            "post": _post(
                "Give a word on photos of the pool, or undo one",
                {
                    "photos": _text("their SHA-256, with commas between"),
                    "name": _text("the class that they show"),
                    "word": {"type": "string", "enum": ["none", "bad"], "description": "instead of a class"},
                    "force": {"type": "boolean", "description": "overrule the gate"},
                    "undo": {
                        "type": "boolean",
                        "description": "take back; with said, before, after as they were answered",
                    },
                    "said": _text("what was said"),
                    "before": _text("the version before"),
                    "after": _text("the version after"),
                },
                {"type": "object"},
                "-F photos=SHA256 -F name='torn fabric' URL/review",
                needed=("photos",),
                more=_ADMIN,
            ),
        },
        "/warm": {
            "post": _post(
                "Load what the first change would wait for", {}, {"type": "object"}, "-F soon=1 URL/warm", more=_ADMIN
            )
        },
    }


def _labels() -> dict[str, dict[str, Any]]:
    """Labels that are probably wrong, and words on them."""
    return {
        "/labels": {
            "get": _get(
                "Labels of trained photos that are probably wrong, the most doubtful first",
                {"type": "array", "items": {"type": "object"}},
                admin=True,
                parameters=[_HOW_MANY],
                more=(400, 422),
            ),
            "post": _post(
                "A word on a photo's label, which the next training follows, or the last one taken back",
                {
                    "photos": _text("the photo's SHA-256"),
                    "name": _text("the class that it is of"),
                    "word": {
                        "type": "string",
                        "enum": ["drop", "right", "undo"],
                        "description": "instead: train without it, the label is right, or take the last word back",
                    },
                },
                {"type": "object"},
                "-F photos=SHA256 -F name='torn fabric' URL/labels",
                needed=("photos",),
                more=_ADMIN,
            ),
        },
    }


def _looking() -> dict[str, dict[str, Any]]:
    """Operations on versions and photos."""
    return {
        "/versions": {
            "get": _get(
                "The versions that were live, oldest first, with their changes",
                _each("Version"),
                admin=True,
                more=(422,),
            )
        },
        "/photos": {
            "get": _get(
                "SHA-256 of the photos of each class",
                {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
                admin=True,
                parameters=[{**_OF_CLASS, "schema": {"type": "string"}}],
            )
        },
        "/photos/{photo}": {
            "get": _get("A thumbnail", None, admin=True, parameters=[_PHOTO_IN_PATH], more=(404,), media="image/jpeg")
        },
        "/open": {
            "post": _post(
                "The admin token for the code of the link that shotline serve prints, once",
                {"code": _text("of the link")},
                {"type": "object"},
                "-F code=CODE URL/open",
                needed=("code",),
                more=(401, 403),
            )
        },
    }


def _reading() -> dict[str, dict[str, Any]]:
    """Operations for browsers and monitors."""
    return {
        "/": {"get": _get("The page for a browser; for a program what there is", {"type": "object"})},
        "/docs": {"get": _get("This document as a page", None, media="text/html")},
        "/openapi.json": {"get": _get("This document", {"type": "object"})},
        "/page/{name}": {
            "get": _get(
                "The files of the page",
                None,
                parameters=[{**_PHOTO_IN_PATH, "name": "name"}],
                more=(404,),
                media="text/css",
            )
        },
        "/livez": {"get": _get("200 at once", None, media="text/plain")},
        "/readyz": {"get": _get("200 if it can answer, else 503; at once", None, media="text/plain")},
        "/metrics": {"get": _get("For Prometheus", None, media="text/plain")},
    }


def _get(
    summary: str,
    schema: dict[str, Any] | None,
    *,
    admin: bool = False,
    parameters: list[dict[str, Any]] | None = None,
    more: tuple[int, ...] = (),
    media: str = "application/json",
) -> dict[str, Any]:
    content = {media: {"schema": schema or {"type": "string"}}}
    statuses = sorted({*_ALWAYS, *more, *(_ADMIN if admin else ())})
    operation: dict[str, Any] = {
        "summary": summary,
        "responses": {"200": {"description": "as it was asked", "content": content}, **_told(statuses)},
    }
    if parameters:
        operation["parameters"] = parameters
    if admin:
        operation["security"] = [{"admin": []}]
    return operation


def _post(
    summary: str,
    fields: dict[str, Any],
    answer: dict[str, Any],
    curl: str,
    *,
    needed: tuple[str, ...] = (),
    more: tuple[int, ...] = (),
    status: int = 200,
) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": fields}
    if needed:
        schema["required"] = list(needed)
    admin = 401 in more and "code" not in fields
    header = "-H 'Authorization: Bearer TOKEN' " if admin else ""
    operation: dict[str, Any] = {
        "summary": summary,
        "requestBody": {
            "required": True,
            "content": {"multipart/form-data": {"schema": schema}, "application/json": {"schema": schema}},
        },
        "responses": {
            str(status): {"description": "as it was asked", "content": {"application/json": {"schema": answer}}},
            **_told(sorted({*_WITH_BODY, *more})),
        },
        "x-curl": f"curl {header}{curl}",
    }
    if admin:
        operation["security"] = [{"admin": []}]
    return operation


def _with_archive(operation: dict[str, Any]) -> dict[str, Any]:
    """The operation, which takes a zip archive too and then answers with one line of JSON per photo, as they come."""
    content = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
    operation["description"] = (
        "A zip archive (up to 10,000 photos) is answered with application/x-ndjson: a line per photo, ordered by their "
        "paths, as they are answered; one that cannot be used has `error`."
    )
    operation["requestBody"]["content"] |= content
    lines = {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Answer"}}}
    operation["responses"]["200"]["content"] |= lines
    return operation


def _told(statuses: list[int]) -> dict[str, Any]:
    return {str(status): {"description": ERRORS[status], "content": ERROR} for status in statuses}


def _each(name: str) -> dict[str, Any]:
    return {"type": "array", "items": {"$ref": f"#/components/schemas/{name}"}}


def _text(description: str) -> dict[str, Any]:
    return {"type": "string", "description": description, "maxLength": 100}


def _version() -> str:
    try:
        return version("shotline")
    except PackageNotFoundError:  # a Bento has the code without the installed package
        return "0"
