"""Whole photos look whole whatever they carry; pieces, gaps and reserved space do not."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.inbox import what_is_missing

FORMATS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 90},
    "PROGRESSIVE": {"progressive": True},
    "PNG": {},
    "GIF": {},
    "WEBP": {"lossless": True},
    "BMP": {},
    "AVIF": {},
    "JPEG2000": {},
    "TIFF": {},
    "PPM": {},
}


def photo(name: str) -> bytes:
    pixels = np.random.default_rng(1).integers(0, 255, (120, 160, 3)).astype(np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG" if name == "PROGRESSIVE" else name, **FORMATS[name])
    return content.getvalue()


@pytest.mark.parametrize("name", FORMATS)
def test_a_whole_photo_lacks_nothing(name: str) -> None:
    assert what_is_missing(photo(name)) is None


@pytest.mark.parametrize("share", [0.0, 0.01, 0.25, 0.5, 0.75, 0.99])
@pytest.mark.parametrize("name", FORMATS)
def test_a_piece_lacks_its_end(name: str, share: float) -> None:
    content = photo(name)
    assert what_is_missing(content[: int(share * len(content))]) is not None


@pytest.mark.parametrize("share", [0.0, 0.25, 0.75])
@pytest.mark.parametrize("name", FORMATS)
def test_space_that_is_reserved_and_not_filled_yet_is_seen(name: str, share: float) -> None:
    content = photo(name)
    written = content[: int(share * len(content))]
    assert what_is_missing(written + bytes(len(content) - len(written))) is not None


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP"])
def test_a_gap_between_what_several_connections_wrote_is_seen(name: str) -> None:
    content = bytearray(photo(name))
    content[8192:16384] = bytes(8192)
    assert what_is_missing(bytes(content)) is not None


def test_what_cameras_add_behind_and_before_a_photo_is_no_reason_to_wait() -> None:
    content = photo("JPEG")
    preview = (
        b"\xff\xe1" + (2 + 6 + len(b"\xff\xd8\xff\xd9") + 900).to_bytes(2) + b"Exif\0\0\xff\xd8\xff\xd9" + bytes(900)
    )
    assert what_is_missing(content[:2] + preview + content[2:]) is None
    assert what_is_missing(content[:2] + preview + content[2:5000]) is not None  # its preview's end is not its own
    assert what_is_missing(content + b"motion photo" * 1000) is None
    assert what_is_missing(content + bytes(2000)) is None


@pytest.mark.parametrize("share", [0.6, 0.75, 0.99])
def test_of_two_photos_in_one_file_both_are_waited_for(share: float) -> None:
    pixels = Image.fromarray(np.random.default_rng(1).integers(0, 255, (120, 160, 3)).astype(np.uint8))
    content = io.BytesIO()
    pixels.save(content, "MPO", save_all=True, append_images=[pixels])
    assert what_is_missing(content.getvalue()) is None
    assert what_is_missing(content.getvalue()[: int(share * len(content.getvalue()))]) is not None


def test_what_is_no_photo_is_nobody_s_piece() -> None:
    assert what_is_missing(b"a note") is None
