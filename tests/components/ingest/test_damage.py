"""Pixels decide: a photo is used whatever else is wrong with its file, and what is wrong is told as a flaw."""

import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from components.ingest import Limits, PhotoError, count_pixels, load_image
from components.ingest.damage import PNG_SIGNATURE
from components.ingest.decode import Decoded, decode

SIZE = (320, 240)


def smooth(size: tuple[int, int] = SIZE) -> Image.Image:
    coarse = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def read(content: bytes) -> Decoded:
    return decode(content, Limits(), name="x")


def chunk(kind: bytes, body: bytes, *, right: bool = True) -> bytes:
    checksum = zlib.crc32(kind + body) ^ (0 if right else 1)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


PIXELS = np.asarray(smooth((64, 48)))
HEADER = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0))
DATA = zlib.compress(b"".join(b"\0" + row.tobytes() for row in PIXELS))
IDAT, IEND = chunk(b"IDAT", DATA), chunk(b"IEND", b"")


def png(*chunks: bytes) -> bytes:
    return PNG_SIGNATURE + b"".join(chunks)


def png_with(kind: bytes, body: bytes, *, right: bool = True) -> bytes:
    return png(HEADER, chunk(kind, body, right=right), IDAT, IEND)


TEXT = b"Comment\0\0" + zlib.compress(bytes(3_000_000))

PNGS = {
    "2 MB of compressed text": (png_with(b"zTXt", TEXT), "metadata cannot be read (zTXt)"),
    "compressed text behind the pixels": (png(HEADER, IDAT, chunk(b"zTXt", TEXT), IEND), "metadata cannot be read"),
    **{
        f"wrong checksum in {kind}": (png_with(kind.encode(), b"a\0\0bcdefgh", right=False), f"checksum of its {kind}")
        for kind in ("pHYs", "iCCP", "tEXt", "zTXt", "iTXt", "eXIf", "gAMA", "tIME", "acTL")
    },
    "empty colour profile": (png_with(b"iCCP", b""), "metadata cannot be read (iCCP)"),
    "cut pHYs": (png_with(b"pHYs", b"ab"), "metadata cannot be read (pHYs)"),
    "cut gAMA": (png_with(b"gAMA", b""), "metadata cannot be read (gAMA)"),
    "wrong checksum in the header": (png(chunk(b"IHDR", HEADER[8:21], right=False), IDAT, IEND), "its IHDR is wrong"),
    "wrong checksum in the pixels": (png(HEADER, chunk(b"IDAT", DATA, right=False), IEND), "checksum of its pixels"),
    "no end": (png(HEADER, IDAT), "its end is missing"),
}


@pytest.mark.parametrize("name", PNGS)
def test_a_png_is_used_if_its_pixels_are_there(name: str) -> None:
    content, flaw = PNGS[name]
    decoded = read(content)
    assert np.array_equal(np.asarray(decoded.image), PIXELS)
    assert decoded.flaw is not None
    assert flaw in decoded.flaw
    assert count_pixels(content, Limits(), name="x") == 64 * 48
    assert np.array_equal(np.asarray(load_image(content)), PIXELS)  # as classify and the service read it


def test_a_png_still_knows_which_way_up_it_is_without_its_broken_metadata() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    whole = saved(Image.fromarray(PIXELS), "PNG", exif=exif)
    broken = whole[:33] + chunk(b"pHYs", b"abcdefghi", right=False) + whole[33:]
    assert read(broken).image.size == read(whole).image.size == (48, 64)


def test_what_a_png_salvages_is_held_to_the_limits() -> None:
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 90_000, 90_000, 8, 2, 0, 0, 0), right=False)
    with pytest.raises(PhotoError) as caught:
        read(png(huge, IDAT, IEND))
    assert caught.value.reason == "oversized"


JPEG_OPTIONS: dict[str, dict[str, Any]] = {
    "baseline": {"quality": 90},
    "progressive": {"quality": 90, "progressive": True},
    "restart markers": {"quality": 90, "restart_marker_blocks": 8},
    "no subsampling": {"quality": 95, "subsampling": 0},
    "optimised": {"quality": 60, "optimize": True},
}
JPEGS = {name: saved(smooth(), "JPEG", **options) for name, options in JPEG_OPTIONS.items()}
JPEGS["grey"] = saved(smooth().convert("L"), "JPEG")
JPEGS["CMYK"] = saved(smooth().convert("CMYK"), "JPEG")
JPEGS["small"] = saved(smooth((64, 48)), "JPEG")
JPEGS["of a phone"] = saved(smooth(), "MPO", save_all=True, append_images=[smooth((64, 48))])


@pytest.mark.parametrize("name", JPEGS)
@pytest.mark.parametrize("behind", [b"", bytes(3000), b"trailer of a phone" * 20], ids=["nothing", "zeros", "trailer"])
def test_a_healthy_jpeg_has_no_flaw(name: str, behind: bytes) -> None:
    assert read(JPEGS[name] + behind).flaw is None


def half_zeros(content: bytes) -> bytes:
    return content[: len(content) // 2] + bytes(len(content) - len(content) // 2)


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "second half zeros": half_zeros,
    "second half zeros but the end": lambda jpeg: jpeg[: len(jpeg) // 2] + bytes(len(jpeg) // 2 - 2) + jpeg[-2:],
    "zeros within": lambda jpeg: jpeg[: len(jpeg) // 2] + bytes(512) + jpeg[len(jpeg) // 2 + 512 :],
    "a block missing": lambda jpeg: jpeg[: len(jpeg) // 2] + jpeg[len(jpeg) // 2 + 512 :],
    "ended early": lambda jpeg: jpeg[: len(jpeg) * 2 // 3] + b"\xff\xd9",
    "sent as text": lambda jpeg: jpeg.replace(b"\n", b"\r\n"),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [name for name in JPEGS if name != "of a phone"])
def test_damage_in_a_jpeg_is_a_flaw(name: str, damage: str) -> None:
    try:
        flaw = read(DAMAGE[damage](JPEGS[name])).flaw
    except PhotoError as error:  # a header that was hit: no pixels at all come out
        assert damage == "sent as text"
        flaw = error.what
    assert flaw is not None
    if damage != "sent as text":
        assert "picture" in flaw
        assert "copy it again" in flaw


@pytest.mark.parametrize("name", [name for name in JPEGS if name != "of a phone"])
def test_a_jpeg_without_its_end_marker_is_used_if_all_pixels_are_there(name: str) -> None:
    whole = JPEGS[name]
    decoded = read(whole[:-2])
    assert decoded.flaw == "its end marker is missing, though all pixels are there"
    assert np.array_equal(np.asarray(decoded.image), np.asarray(read(whole).image))


def test_a_jpeg_without_its_end_marker_is_still_turned() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert read(saved(smooth(), "JPEG", exif=exif)[:-2]).image.size == (240, 320)


@pytest.mark.parametrize("name", ["baseline", "progressive", "CMYK"])
def test_a_jpeg_that_has_just_begun_is_cut_off(name: str) -> None:
    whole = JPEGS[name]
    for content in (whole[: len(whole) * 2 // 3], whole[:1500] + bytes(len(whole) - 1500)):
        with pytest.raises(PhotoError) as caught:
            read(content)
        assert caught.value.reason in ("truncated", "unreadable")


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # Pillow says so too
@pytest.mark.parametrize(
    "metadata",
    [
        segment(0xE1, b"Exif\0\0" + b"\xff" * 30),
        segment(0xE1, b"Exif\0\0"),
        segment(0xE1, b""),
        segment(0xE2, b"ICC_PROFILE\0"),
        segment(0xE2, b"ICC_PROFILE\0\1\2junk"),
        segment(0xE2, b"MPF\0" + b"\xff" * 10),
        segment(0xED, b"Photoshop 3.0\0" + b"8BIM\4\4"),
        segment(0xEE, b"Adobe"),
        segment(0xE0, b"JFIF\0"),
        segment(0xFE, b"\xff\xd9"),
    ],
    ids=["EXIF", "empty EXIF", "empty APP1", "cut ICC", "ICC", "MPF", "Photoshop", "Adobe", "JFIF", "comment"],
)
def test_broken_metadata_does_not_cost_a_jpeg(metadata: bytes) -> None:
    whole = JPEGS["baseline"]
    broken = whole[:2] + metadata + whole[2:]
    assert np.array_equal(np.asarray(read(broken).image), np.asarray(read(whole).image))


def test_a_webp_whose_metadata_or_later_pictures_are_cut_off_is_used() -> None:
    frames = [smooth((64, 48)).rotate(angle) for angle in (0, 90, 180)]
    for whole in (
        saved(frames[0], "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0"),
        saved(frames[0], "WEBP", save_all=True, append_images=frames[1:]),
    ):
        decoded = read(whole[:-5])
        assert decoded.flaw is not None
        assert "cannot be read" in decoded.flaw
        assert np.array_equal(np.asarray(decoded.image), np.asarray(read(whole).image))


def test_a_webp_or_gif_whose_second_half_is_zeros_is_not_taken_for_whole() -> None:
    webp, gif = (half_zeros(saved(smooth(), form)) for form in ("WEBP", "GIF"))
    assert "nothing but zeros" in (read(webp).flaw or "")
    with pytest.raises(PhotoError, match="cut off"):
        read(gif)
    assert read(saved(smooth(), "WEBP")).flaw is read(saved(smooth(), "GIF")).flaw is None


RAMP = np.linspace(0, 1, 64 * 48, dtype=np.float32).reshape(48, 64)


def with_pixels(values: np.ndarray, *odd: float) -> np.ndarray:
    values = values.copy()
    values.ravel()[: len(odd)] = odd
    return values


DEEP = {
    "0 to 1": (RAMP, None),
    "0 to 1, one pixel 1.01": (with_pixels(RAMP, 1.01), None),
    "0 to 1, one pixel 1.5": (with_pixels(RAMP, 1.5), "above its white of 1"),
    "0 to 1, one pixel a million": (with_pixels(RAMP, 1e6), "above its white of 1"),
    "0 to 250": (RAMP * 250, None),
    "0 to 250, one pixel 260": (with_pixels(RAMP * 250, 260), "above its white of 255"),
    "0 to 250, one pixel -9": (with_pixels(RAMP * 250, -9), None),
    "0 to 65,535": (RAMP * 65535, None),
    "0 to 65,535, one pixel a million": (with_pixels(RAMP * 65535, 1e6), "above its white of 65535"),
    "one pixel no number": (with_pixels(RAMP, np.nan), "1 of its 3072 pixels are no finite numbers"),
    "one pixel endless": (with_pixels(RAMP, np.inf), "1 of its 3072 pixels are no finite numbers"),
    "0 to 5": (RAMP * 5, "fits no usual scale"),
    "0 to 4,095": (RAMP * 4095, "fits no usual scale"),
    "0 to 1e30": (RAMP * 1e30, "fits no usual scale"),
    "whole numbers of 32 bits, 0 to 255": ((RAMP * 255).astype(np.int32), None),
    "whole numbers of 32 bits, 0 to 65,535": ((RAMP * 65535).astype(np.int32), None),
    "whole numbers of 32 bits, one pixel 2 billion": (
        with_pixels((RAMP * 255).astype(np.int32), 2e9),
        "above its white of 255",
    ),
}


@pytest.mark.parametrize("name", DEEP)
def test_no_single_pixel_decides_how_bright_a_photo_is(name: str) -> None:
    values, flaw = DEEP[name]
    content = saved(Image.fromarray(values), "TIFF")
    decoded = read(content)
    assert np.abs(np.asarray(decoded.image)[1:, :, 0].astype(float) - 255 * RAMP[1:]).max() < 6
    assert (decoded.flaw is None) if flaw is None else (flaw in (decoded.flaw or ""))
    assert np.array_equal(np.asarray(load_image(content)), np.asarray(decoded.image))  # serving sees the same


@pytest.mark.parametrize(
    ("values", "flaw"),
    [
        (RAMP * 2 - 1, "50% of its pixels are below 0"),
        (RAMP * 0.02, "almost black"),
        (RAMP * 0, "almost black"),
        (np.where(RAMP >= 1, 65535, RAMP * 4000).astype(np.uint16), "almost black"),
    ],
)
def test_a_photo_that_comes_out_dark_says_so(values: np.ndarray, flaw: str) -> None:
    assert flaw in (read(saved(Image.fromarray(values), "TIFF")).flaw or "")


def test_a_photo_of_no_numbers_is_refused() -> None:
    with pytest.raises(PhotoError, match="none of its pixels is a number"):
        read(saved(Image.fromarray(RAMP * np.nan), "TIFF"))
