"""A zip archive as a request's body: its photos, a few at a time, never unpacked to the disk."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from components.errors import UserInputError
from components.serving.edge.errors import RefusedError

__all__ = ["ARCHIVE", "MOST_IN_ARCHIVE", "Member", "archive_batches"]

ARCHIVE = "application/zip"
MOST_IN_ARCHIVE = 10_000  # photos
_MOST_UNPACKED = 2_000_000_000  # bytes of all photos, unpacked; photos hardly shrink in an archive of 128 MB
_DIRECTORY_BYTES = 4_000_000  # bytes of the list of contents, which is read as a whole
_PHOTOS_AT_ONCE = 32
_BYTES_AT_ONCE = 64_000_000
_END = struct.Struct("<4s4H2LH")  # "end of central directory" of PKWARE's APPNOTE.TXT, section 4.3.16

Member = tuple[str, bytes | dict[str, Any]]
"""A photo's path in the archive, and its bytes or its error."""


def archive_batches(body: bytes, most_bytes: int) -> Iterator[list[Member]]:
    """The photos of an archive, in the order of their paths, in batches that fit the memory.

    Args:
        body: the archive.
        most_bytes: of one photo, unpacked.

    Raises:
        RefusedError: it is no archive, or it has no photo or too many; raised before the first batch.
    """
    from components.ingest import Limits
    from components.serving.table.named import zip_photos  # decodes photos: needed only if archives are sent

    _require_short_directory(body)
    try:
        photos = list(zip_photos(io.BytesIO(body), None, Limits(max_bytes=most_bytes)))
    except (UserInputError, ValueError, NotImplementedError) as error:
        raise _unreadable(str(getattr(error, "what", error))) from None
    if not photos:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, "no_images", "the archive has no file in it", "put the photos into it"
        )
    if len(photos) > MOST_IN_ARCHIVE:
        raise _too_many(f"{len(photos):,} files")
    return _batches(photos)


def _batches(photos: list[Any]) -> Iterator[list[Member]]:
    batch: list[Member] = []
    held = unpacked = 0
    for photo in photos:
        content = _loaded(photo) if unpacked < _MOST_UNPACKED else _ENOUGH
        size = len(content) if isinstance(content, bytes) else 0
        batch.append((photo.name, content))
        held, unpacked = held + size, unpacked + size
        if len(batch) == _PHOTOS_AT_ONCE or held >= _BYTES_AT_ONCE:
            yield batch
            batch, held = [], 0
    if batch:
        yield batch


def _loaded(photo: Any) -> bytes | dict[str, Any]:
    from components.ingest import PhotoError

    try:
        content: bytes = photo.load()
    except PhotoError as error:
        return {"error": {"code": error.reason, "message": error.what, "remedy": error.remedy}}
    return content


_ENOUGH = {
    "error": {
        "code": "too_large",
        "message": f"more than {_MOST_UNPACKED:,} bytes of the archive are unpacked already",
        "remedy": "send the rest in an archive of its own",
    }
}


def _require_short_directory(body: bytes) -> None:
    """Check the size of the list of contents: Python reads all of it, maybe millions of entries, to count them."""
    at = body.rfind(b"PK\x05\x06", max(0, len(body) - _END.size - 65_535))
    if at < 0 or len(body) - at < _END.size:
        raise _unreadable("it does not end as a zip archive does")
    if body[max(0, at - 20) : at].startswith(b"PK\x06\x07") or _END.unpack_from(body, at)[5] > _DIRECTORY_BYTES:
        raise _too_many("a list of contents that is too long")


def _unreadable(what: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.BAD_REQUEST,
        "bad_request",
        f"the archive cannot be read: {what}",
        "make it again, and send all of it",
    )


def _too_many(what: str) -> RefusedError:
    return RefusedError(
        HTTPStatus.BAD_REQUEST,
        "bad_request",
        f"the archive has {what}; at most {MOST_IN_ARCHIVE:,} photos are read",
        "send the rest in an archive of its own",
    )
