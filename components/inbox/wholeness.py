"""Whether a photo's bytes are complete, by the end that its format prescribes; no pixel is decoded.

A copy that pauses leaves the beginning of a photo; a program that reserves the space first leaves zeros. Decoders make
pixels of both, so decoding does not show it.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator

from PIL import Image, TiffImagePlugin

__all__ = ["what_is_missing"]

_GAP_BYTES = 4096  # a compressed picture never holds so many zeros in a row
_PADDING_BYTES = 64  # a complete picture may end in so many zeros


def what_is_missing(content: bytes) -> str | None:
    """Why these bytes look like an unfinished file; None if they do not.

    It is a reason to wait, not to refuse: some complete photos look like this too, such as a TIFF that is black at its
    end.
    """
    if not content:
        return "the file is empty"
    written = content.rstrip(b"\0")
    if not written:
        return f"all of its {len(content):,} bytes are zero"
    if not _has_its_end(content, written):
        return f"its end is missing after {len(written):,} bytes"
    zeros = len(content) - len(written)
    if zeros >= (_PADDING_BYTES if _is_filled(content) else _GAP_BYTES) and not _says_where_it_ends(content):
        return f"its last {zeros:,} bytes are zero"
    if (_is_filled(content) or _says_where_it_ends(content)) and bytes(_GAP_BYTES) in written:
        return "it has a gap of zeros"
    return None


def _has_its_end(content: bytes, written: bytes) -> bool:
    if content.startswith(b"\xff\xd8\xff"):
        end = written.find(b"\xff\xd9", _first_scan(written))
        # Cameras put a second photo, or a film, behind the first.
        rest = written[end + 2 :].lstrip(b"\0")
        return end >= 0 and (not rest or _has_its_end(rest, rest))
    if content.startswith(b"\xff\x4f\xff\x51"):
        return written.endswith(b"\xff\xd9")
    if content.startswith(b"\x89PNG"):
        return b"IEND" in written
    if content.startswith(b"GIF8"):
        return written.endswith(b";")
    if content.startswith(b"RIFF"):
        return len(content) >= int.from_bytes(content[4:8], "little") + 8
    if content.startswith(b"BM"):
        return len(content) >= int.from_bytes(content[2:6], "little")
    if content.startswith((b"II*\0", b"MM\0*", b"P5", b"P6")):
        return len(content) >= _end_of_pixels(content)
    if content[4:8] in (b"ftyp", b"jP  "):
        return all(end <= len(content) for end in _ends_of_boxes(content))
    return True


def _says_where_it_ends(content: bytes) -> bool:
    """Whether the format's last bytes are known, so that zeros after them are no part of the photo."""
    return content.startswith((b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\x89PNG", b"GIF8"))


def _is_filled(content: bytes) -> bool:
    """Whether the format is compressed and states its length at its beginning."""
    return content.startswith(b"RIFF") or content[4:8] in (b"ftyp", b"jP  ")


def _first_scan(content: bytes) -> int:
    """Where a JPEG's first scan begins: behind the headers, whose previews have ends of their own."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xDA:
            return place
        # Fill bytes, and markers without a length.
        place += 1 if marker == 0xFF else 2 if marker in (0x01, *range(0xD0, 0xD9)) else _length(content, place)
    return len(content)


def _length(content: bytes, place: int) -> int:
    return 2 + max(2, int.from_bytes(content[place + 2 : place + 4]))


def _end_of_pixels(content: bytes) -> float:
    """Where the pixels of a TIFF or a PPM end, by its header; infinite if the header is incomplete."""
    try:
        with warnings.catch_warnings(action="error"), Image.open(io.BytesIO(content), formats=("TIFF", "PPM")) as image:
            if isinstance(image, TiffImagePlugin.TiffImageFile):
                tags = image.tag_v2
                starts, sizes = (tags.get(striped, tags.get(tiled, ())) for striped, tiled in ((273, 324), (279, 325)))
                return max((start + size for start, size in zip(starts, sizes, strict=False)), default=0)
            two_bytes = 2 if image.mode.startswith("I") else 1
            return image.tile[0].offset + image.width * image.height * len(image.getbands()) * two_bytes
    except Exception:  # noqa: BLE001 (foreign bytes: whatever is raised, they cannot be read to their end)
        return math.inf


def _ends_of_boxes(content: bytes) -> Iterator[int]:
    """Ends of the outer boxes of an ISO base media file (HEIC, AVIF) or a JPEG 2000 file."""
    place = 0
    while place < len(content):
        size = int.from_bytes(content[place : place + 4])
        if size == 1:
            size = int.from_bytes(content[place + 8 : place + 16])
        if size == 0:  # up to the end of the file
            return
        if size < 8:
            yield len(content) + 1
            return
        place += size
        yield place
