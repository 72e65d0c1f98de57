"""Remedies for a single unusable photo: those of ingest speak of folders and of a run."""

from __future__ import annotations

from components.ingest import PhotoError

__all__ = ["for_asker"]

_REMEDIES = {
    "oversized": "use a smaller photo; the limits are those of its training (ingest.max_pixels, ingest.max_bytes)",
    "too_small": "use a larger photo; the limit is the one of its training (ingest.min_size_px)",
    "zero_byte": "give the whole file",
    "truncated": "give the whole file",
    "unreadable": "use a JPEG, PNG or WebP photo",
    "unsupported": "use a JPEG, PNG or WebP photo",
    "not_an_image": "use a JPEG, PNG or WebP photo",
}


def for_asker(error: PhotoError) -> PhotoError:
    """The same error with a remedy for one photo."""
    return PhotoError(error.what, on=error.on, remedy=_REMEDIES.get(error.reason, error.remedy), reason=error.reason)
