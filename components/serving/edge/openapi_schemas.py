"""The schemas of the service's answers, for its OpenAPI document, each with an example."""

from __future__ import annotations

from typing import Any

__all__ = ["ERROR", "ERRORS", "SCHEMAS"]

ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
"""The content of every error."""

ERRORS = {
    400: "the request cannot be read, or lacks something",
    401: "no admin token, or a wrong one",
    403: "a page of another site, or the service has no token",
    404: "there is no such thing",
    405: "not this method",
    408: "it came too slowly",
    409: "not here, or not now; or the gate refuses it",
    413: "too large",
    415: "neither a form nor JSON",
    422: "something in it cannot be used",
    429: "too many at once; Retry-After says when",
    500: "a fault of the service",
    503: "starting, away or overloaded; Retry-After says when",
    504: "no answer in time",
}
"""Status to what it means."""


def _object(example: dict[str, Any], **properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "example": example}


_FRACTION = {"type": "number", "minimum": 0, "maximum": 1}
_STRING = {"type": "string"}
SCHEMAS = {
    "Error": {
        **_object(
            {"code": "no_images", "message": "the request has no photo in the field images", "remedy": "send photos"},
            code={"type": "string", "description": "one word for programs"},
            message={"type": "string", "description": "what is wrong"},
            remedy={"type": "string", "description": "what to do"},
        ),
        "required": ["code", "message", "remedy"],
        "additionalProperties": False,
    },
    "Answer": _object(
        {
            "path": "photo.jpg",
            "top": [{"class": "cracked_tile", "probability": 0.97}],
            "likely": ["cracked_tile"],
            "abstained": False,
            "bank": "cc51afeee092",
        },
        path={"type": ["string", "null"]},
        top={"type": "array", "items": {"type": "object", "properties": {"class": _STRING, "probability": _FRACTION}}},
        likely={"type": "array", "items": _STRING, "description": "hold the right class for nine in ten photos"},
        abstained={"type": "boolean", "description": "the photo is probably none of the classes"},
        bank={"type": "string", "description": "the version that made this answer"},
        flaw={"type": "string", "description": "what is wrong with the photo's file although it has an answer"},
        error={"$ref": "#/components/schemas/Error"},
    ),
    "Embedded": _object(
        {"text": "rust", "embedding": [0.1, -0.2], "backbone": "0123456789ab"},
        embedding={"type": "array", "items": {"type": "number"}},
        backbone={"type": "string", "description": "vectors are comparable where it is the same"},
    ),
    "Found": _object(
        {"path": "data/raw/rust/1.jpg", "class": "rust", "similarity": 0.7, "photo": "SHA-256"},
        similarity={"type": "number", "minimum": -1, "maximum": 1},
        photo={"type": "string", "description": "SHA-256 of its bytes; see /photos/{photo}"},
    ),
    "Class": _object(
        {"class": "rust", "kind": "added", "since": "2026-01-01T00:00:00Z", "photos": 6},
        kind={"enum": ["trained", "added", "to_train"]},
    ),
    "Version": _object(
        {
            "version": "cc51afeee092",
            "in_use": True,
            "bundle": "cc51afeee092",
            "made": "2026-01-01T00:00:00Z",
            "added": [],
            "changes": [],
        },
        in_use={"type": "boolean"},
    ),
    "Moved": _object(
        {"version": "f7cab6c0f500", "before": "cc51afeee092"},
        version={"type": ["string", "null"]},
        before={"type": ["string", "null"]},
    ),
    "Outcome": _object(
        {"version": "f7cab6c0f500", "before": "cc51afeee092", "told": ["rust: 6 photos, by the form embedding"]},
        version={"type": ["string", "null"], "description": "live now; null where nothing was trained yet"},
        told={"type": "array", "items": _STRING, "description": "what came of it, lines for people"},
    ),
    "Training": _object(
        {
            "state": "running",
            "stages": [{"stage": "features", "seconds": None, "done": 3, "total": 48, "what": "views"}],
        },
        state={"enum": ["none", "starting", "running", "done", "failed", "stopped"]},
        stages={"type": "array", "items": {"type": "object"}},
    ),
}
