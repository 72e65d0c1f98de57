"""Rescues the pixels of files that a decoder refuses for other defects: metadata, a checksum, a missing end.

It writes the file anew with only the parts that its pixels need. If the pixels themselves are missing or broken, the
decoder refuses the new file as well.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from components.ingest.damage import END_OF_JPEG, PNG_SIGNATURE, ZEROS, jpeg_damage, jpeg_without_end, png_chunks

__all__ = ["Salvaged", "salvaged"]

_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT")
_ALPHA = 0x10
# APP0 and APP14 say how a JPEG's colours are stored, if they are intact; the other APPs, and comments, are metadata.
_LEAST_BYTES = {0xE0: 16, 0xEE: 14}
_JPEG_METADATA = frozenset(range(0xE1, 0xF0)) - {0xEE} | {0xFE}
_JPEG_EXIF = frozenset({0xE1})  # holds the photo's orientation
_EVERYTHING = _JPEG_METADATA


@dataclass(frozen=True)
class Salvaged:
    """A file made anew from the parts that its pixels need.

    Attributes:
        content: its bytes.
        flaw: what was wrong with the original file.
    """

    content: bytes
    flaw: str


def salvaged(content: bytes) -> Iterator[Salvaged]:
    """Files with the same pixels and fewer other parts, to be tried in turn; empty for formats that cannot be split."""
    if content.startswith(b"\xff\xd8\xff"):
        for kept in (_EVERYTHING, _JPEG_EXIF, frozenset[int]()):
            if found := _jpeg(content, kept):
                yield found
    elif content.startswith(PNG_SIGNATURE):
        if found := _png(content):
            yield found
    elif content[:4] == b"RIFF" and content[8:12] == b"WEBP" and (found := _webp(content)):
        yield found


def _png(content: bytes) -> Salvaged | None:
    parts, wrong, passed_over = [PNG_SIGNATURE], [], []
    for kind, body, right in png_chunks(content):
        if kind in _PNG_PIXELS or (kind == b"eXIf" and right):  # EXIF holds its orientation
            parts.append(_png_chunk(kind, body))
        elif kind != b"IEND":
            passed_over.append(kind.decode())
        if not right:
            wrong.append(kind.decode())
    if not any(part[4:8] == b"IDAT" for part in parts):
        return None
    if wrong:
        flaw = f"the checksum of its {', '.join(dict.fromkeys(wrong))} is wrong"
    else:
        flaw = f"its metadata cannot be read ({', '.join(dict.fromkeys(passed_over)) or 'broken'})"
    return Salvaged(b"".join([*parts, _png_chunk(b"IEND", b"")]), f"{flaw}; its pixels are used")


def _png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def _jpeg(content: bytes, kept: frozenset[int]) -> Salvaged | None:
    head, at = [content[:2]], 2
    while at + 4 <= len(content):
        marker, length = content[at : at + 2], int.from_bytes(content[at + 2 : at + 4], "big")
        if marker[0] != 0xFF or length < 2:
            return None
        if marker[1] == 0xDA:
            return _jpeg_scan(b"".join(head), content[at:], kept)
        if kept == _EVERYTHING or (
            length >= _LEAST_BYTES.get(marker[1], 2) and (marker[1] not in _JPEG_METADATA or marker[1] in kept)
        ):
            head.append(content[at : at + 2 + length])
        at += 2 + length
    return None


def _jpeg_scan(head: bytes, scan: bytes, kept: frozenset[int]) -> Salvaged | None:
    lost = {_EVERYTHING: "", _JPEG_EXIF: "a part of its metadata cannot be read"}.get(
        kept, "its metadata cannot be read, so its orientation is not known"
    )
    if not jpeg_without_end(scan):
        return Salvaged(head + scan, f"{lost}; its pixels are used") if lost else None
    there = scan.rstrip(b"\0")
    n_zeros = len(scan) - len(there)
    whole = head + there + END_OF_JPEG
    if n_zeros < ZEROS:
        if any(jpeg_damage(whole, mode) for mode in ("L", "CMYK")):
            return None
        end = "its end marker is missing, though all pixels are there"
    elif n_zeros > 0.75 * len(scan):  # a copy that has just begun
        return None
    else:
        end = (
            f"the last {n_zeros:,} bytes of the file are zeros, so a part of its picture may be missing; copy it again"
        )
    return Salvaged(whole, "; ".join(filter(None, (lost, end))))


def _webp(content: bytes) -> Salvaged | None:
    alpha, at = b"", 12
    size = b""
    while at + 8 <= len(content):
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        chunk = content[at : at + 8 + length]
        if len(chunk) < 8 + length:
            return None
        chunk += b"\0" * (length % 2)
        if kind == b"VP8X":
            size = chunk[12:18]
        elif kind == b"ALPH":
            alpha = chunk
        elif kind == b"ANMF":
            return _webp_frame(chunk)
        elif kind in (b"VP8 ", b"VP8L"):
            if alpha and size:
                chunk = _riff_chunk(b"VP8X", bytes([_ALPHA, 0, 0, 0]) + size) + alpha + chunk
            return Salvaged(
                _riff(chunk),
                "its metadata or its end cannot be read, so its orientation is not known; its pixels are used",
            )
        at += 8 + length + length % 2
    return None


def _webp_frame(chunk: bytes) -> Salvaged | None:
    """The first picture of an animation, as a still photo."""
    size, picture = chunk[14:20], chunk[24:]
    if picture[:4] == b"ALPH":
        picture = _riff_chunk(b"VP8X", bytes([_ALPHA, 0, 0, 0]) + size) + picture
    return Salvaged(_riff(picture), "its later pictures or its metadata cannot be read; its first picture is used")


def _riff_chunk(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _riff(chunks: bytes) -> bytes:
    return _riff_chunk(b"RIFF", b"WEBP" + chunks)
