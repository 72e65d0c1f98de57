"""Photos inside a page: small JPEGs as data URIs, within a budget, so that a report stays one file that can be sent."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from components.ingest import PhotoError, load_image

__all__ = ["Thumbnails"]

_QUALITY = 72


class Thumbnails:
    """Makes each photo's thumbnail once.

    Args:
        root: what paths are relative to.
        budget_bytes: their greatest total size in the page; further photos get no thumbnail.
        size_px: longer side.
    """

    def __init__(self, root: Path, *, budget_bytes: int, size_px: int = 112) -> None:
        self._root = root
        self._left = budget_bytes
        self._size = size_px
        self._made: dict[str, str] = {}
        self.left_out = 0

    def __call__(self, path: str) -> str:
        """`data:image/jpeg;base64,...`; empty if the photo cannot be read or the budget is spent.

        A thumbnail that occurs twice in a page counts twice.
        """
        if path not in self._made:
            self._made[path] = self._uri(path) if self._left > 0 else ""
        uri = self._made[path]
        if not uri or len(uri) > self._left:
            self.left_out += 1
            return ""
        self._left -= len(uri)
        return uri

    def _uri(self, path: str) -> str:
        try:
            content = (self._root / path).read_bytes()
            image = _drafted(content, self._size) or load_image(content, name=path)
        except (OSError, PhotoError):
            return ""
        image.thumbnail((self._size, self._size))
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def _drafted(content: bytes, size: int) -> Image.Image | None:
    """A large plain JPEG decoded at an eighth to a half of its size; None for all else, which the one decoder reads."""
    if not content.startswith(b"\xff\xd8") or len(content) < 100_000:
        return None
    with Image.open(io.BytesIO(content)) as image:
        if image.mode != "RGB" or image.getexif().get(0x0112, 1) != 1:
            return None
        image.draft("RGB", (2 * size, 2 * size))
        try:
            image.load()
        except OSError:
            return None
        return image.copy()
