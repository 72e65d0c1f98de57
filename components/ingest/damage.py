"""Damage in a photo that was decoded all the same: its decoder noticed it, but Pillow does not report it.

libjpeg goes on after damaged data, with rows shifted, grey or of wrong colour, and only counts a warning. Pillow does
not check a PNG's checksums of its pixels.
"""

import struct
import zlib
from collections.abc import Iterator

import simplejpeg

__all__ = ["END_OF_JPEG", "PNG_SIGNATURE", "ZEROS", "damage_of", "jpeg_damage", "jpeg_without_end", "png_chunks"]

END_OF_JPEG = b"\xff\xd9"
ZEROS = 64  # so many zeros at the end stand for data that never arrived; fewer may be padding
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Left out: libjpeg's remarks on versions and colour transforms, and formats it cannot read (12 bits, odd subsampling).
_JPEG_DAMAGE = ("Corrupt JPEG data", "Premature end", "Inconsistent progression", "Invalid progressive")
# Containers of compressed pixels, by their letters 8 to 12: no 64 zeros end those. AVIF's first letters are its size.
_COMPRESSED = (b"WEBP", b"avif", b"avis")
_LEAST_LINE_FEEDS = 12  # by chance each has a carriage return before it once in 256^12 photos


def damage_of(content: bytes, mode: str) -> str | None:
    """What is damaged in a photo's pixels although they can be decoded; None if no damage is noticed.

    Args:
        content: the file's bytes.
        mode: Pillow's name of the pixels in the file.
    """
    if content.startswith(b"\xff\xd8"):
        if is_sent_as_text(content):
            return "it was sent as text (each line feed became two letters), so its picture is damaged; copy it again"
        noticed = jpeg_damage(content, mode)
        if noticed and jpeg_without_end(content) and not jpeg_damage(content.rstrip(b"\0") + END_OF_JPEG, mode):
            return "its end marker is missing, though all pixels are there"
        return noticed and f"a part of its picture is damaged or missing ({noticed}); copy it again"
    if content.startswith(PNG_SIGNATURE):
        if any(kind == b"IDAT" and not right for kind, _, right in png_chunks(content)):
            return "the checksum of its pixels is wrong, so a part of its picture may be damaged; copy it again"
        if not any(kind == b"IEND" for kind, _, _ in png_chunks(content)):
            return "its end is missing, though all pixels are there"
    if content.startswith(b"GIF8") and not content.rstrip(b"\0").endswith(b";"):
        return "its end is missing, so a part of its picture may be"
    if content[8:12] in _COMPRESSED and content.endswith(bytes(ZEROS)):
        return "its end is nothing but zeros, so a part of its picture may be missing; copy it again"
    return None


def jpeg_without_end(content: bytes) -> bool:
    """Whether a JPEG does not end with its end marker."""
    return END_OF_JPEG not in content.rstrip(b"\0")[-64:]


def jpeg_damage(content: bytes, mode: str) -> str | None:
    """libjpeg's own warning about a JPEG's pixels; None if it has none.

    It reads all of the file's data but computes only an eighth of the pixels in each direction, in a fourth of the
    time.
    """
    try:
        simplejpeg.decode_jpeg(
            content,
            colorspace="CMYK" if mode == "CMYK" else "GRAY",
            fastdct=True,
            fastupsample=True,
            min_height=1,
            min_width=1,
            min_factor=8,
            strict=True,
        )
    except (ValueError, MemoryError) as error:
        noticed = str(error)
        return noticed if noticed.startswith(_JPEG_DAMAGE) and "ICC marker" not in noticed else None
    return None


def is_sent_as_text(content: bytes) -> bool:
    """Whether every line feed follows a carriage return, as after a transfer in text mode."""
    line_feeds = content.count(b"\n")
    return line_feeds >= _LEAST_LINE_FEEDS and content.count(b"\r\n") == line_feeds


def png_chunks(content: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
    """Kind, body, and whether the checksum is right, of each complete chunk of a PNG."""
    at = len(PNG_SIGNATURE)
    while at + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        if len(body) < length or not kind.isalpha():
            return
        checksum = content[at + 8 + length : at + 12 + length]
        yield kind, body, checksum == struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))
        if kind == b"IEND":
            return
        at += 12 + length
