"""Photos and bodies as hostile clients send them."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator

from PIL import Image


def hostile_photos(photo: bytes) -> Iterator[bytes]:
    """Files that are no photo, cut, damaged, of two kinds at once, or that unpack to far more than they hold."""
    chance = random.Random(0)
    yield from (
        b"",
        b"\x00" * 1000,
        b"GIF89a",
        b"%PDF-1.4",
        b"PK\x03\x04" + photo,
        b"<svg onload=alert(1)>",
        b"#!/bin/sh\n",
    )
    yield from (photo[:cut] for cut in range(1, len(photo), len(photo) // 40))
    for _ in range(120):
        broken = bytearray(photo)
        for _ in range(chance.randint(1, 30)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        yield bytes(broken)
    yield photo + b"<script>alert(1)</script>"
    yield b"GIF89a/*" + photo
    yield bomb()
    for kind in ("PNG", "GIF", "BMP", "TIFF", "WEBP"):
        content = io.BytesIO()
        Image.open(io.BytesIO(photo)).save(content, kind)
        yield from (content.getvalue()[:cut] for cut in (10, 40, len(content.getvalue()) // 2))
        yield photo[:4] + content.getvalue()


def bomb() -> bytes:
    """A PNG of some kilobytes whose header claims 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1_000_000))
        + chunk(b"IEND", b"")
    )


def hostile_bodies(photo: bytes) -> Iterator[tuple[str, bytes]]:
    """Content types and bodies that are no form, or one that is broken or huge."""
    form = "multipart/form-data; boundary=b"
    part = b'--b\r\nContent-Disposition: form-data; name="images"; filename="a.jpg"\r\n\r\n' + photo + b"\r\n"
    yield from ((form, body) for body in (b"", b"--b", b"--b--", b"\r\n" * 5_000, part, part[:50], part + b"--c--\r\n"))
    yield form, part * 70 + b"--b--\r\n"
    yield form, b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 2_000 + b"--b--\r\n"
    yield form, b"--b\r\n" + b"A: " + b"x" * 200_000 + b"\r\n\r\n\r\n--b--\r\n"
    yield form, b"--b\r\n" + b"A: b\r\n" * 20_000 + b"\r\n\r\n--b--\r\n"
    yield from (
        (kind, part + b"--b--\r\n")
        for kind in (
            "multipart/form-data",
            f"multipart/form-data; boundary={'b' * 500}",
            "multipart/mixed; boundary=b",
            "text/plain",
            "",
            "a" * 5_000,
        )
    )
    yield from (
        ("application/json", body)
        for body in (
            b"",
            b"{",
            b"[]",
            b"1",
            b"null",
            b'"' * 100,
            b"[" * 100_000,
            b'{"images": ' * 1_000,
            b"\xff\xfe",
            b'{"images": 1}',
            b'{"images": [1, null, {}]}',
            b'{"images": ["%%%"]}',
            b'{"images": ["http://127.0.0.1/"]}',
            b'{"images": ["file:///etc/passwd"]}',
            b'{"images": ["../../etc/passwd"]}',
            b'{"texts": ["\\ud800"]}',
            b'{"top": 1e999}',
            b'{"top": "' + b"9" * 5_000 + b'", "text": "a"}',
            b'{"text": ["a", "b"]}',
            b'{"__proto__": {}, "images": []}',
        )
    )
