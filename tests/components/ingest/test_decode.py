"""What comes out of every kind of photo, and what the user sees of every kind that cannot be read."""

import io
import pickle
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from components.errors import UserInputError
from components.ingest import Limits, PhotoError, load_image
from components.ingest.decode import count_pixels, decode

RED, GREEN, WHITE, BLACK = (255, 0, 0), (0, 128, 0), (255, 255, 255), (0, 0, 0)


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def halves(mode: str, left: Any, right: Any) -> Image.Image:
    image = Image.new(mode, (40, 20), left)
    image.paste(right, (20, 0, 40, 20))
    return image


def palette_with_transparency() -> bytes:
    image = halves("RGB", RED, GREEN).quantize(2)
    clear = image.getpixel((30, 10))
    return saved(image, "PNG", transparency=clear)


def deep(values: np.ndarray) -> bytes:
    return saved(Image.fromarray(values), "PNG")


def animated(form: str) -> bytes:
    frames = [Image.new("RGB", (40, 20), colour) for colour in (RED, GREEN, BLACK)]
    return saved(
        frames[0], form, save_all=True, append_images=frames[1:], **({"lossless": True} if form == "WEBP" else {})
    )


def sixteen(left: int, right: int) -> np.ndarray:
    pixels = np.full((20, 40), left, np.uint16)
    pixels[:, 20:] = right
    return pixels


def twelve_bit_tiff() -> bytes:
    # Pillow writes no 12-bit TIFF: 2 x 16 pixels packed by hand, three bytes for two.
    packed = bytes([0xFF, 0xFF, 0xFF]) * 8 + bytes([0x80, 0x08, 0x00]) * 8
    tags = [(256, 16), (257, 2), (258, 12), (259, 1), (262, 1), (273, 8), (277, 1), (278, 2), (279, len(packed))]
    body = struct.pack("<2sHI", b"II", 42, 8 + len(packed)) + packed
    body += struct.pack("<H", len(tags))
    for tag, value in tags:
        body += struct.pack("<HHII", tag, 4, 1, value)
    return body + struct.pack("<I", 0)


@pytest.mark.parametrize(
    ("content", "left", "right", "mode"),
    [
        pytest.param(saved(halves("RGB", RED, GREEN), "PNG"), RED, GREEN, "RGB", id="plain"),
        pytest.param(saved(halves("RGB", RED, GREEN).quantize(2), "PNG"), RED, GREEN, "P", id="palette"),
        pytest.param(palette_with_transparency(), RED, WHITE, "P", id="palette with transparency"),
        pytest.param(saved(halves("RGBA", (*RED, 255), (*GREEN, 0)), "PNG"), RED, WHITE, "RGBA", id="alpha"),
        pytest.param(saved(halves("LA", (0, 255), (0, 0)), "PNG"), BLACK, WHITE, "LA", id="grey with alpha"),
        pytest.param(saved(halves("RGB", RED, GREEN), "PNG", transparency=GREEN), RED, WHITE, "RGB", id="colour key"),
        pytest.param(saved(halves("L", 200, 10), "PNG"), (200,) * 3, (10,) * 3, "L", id="grey"),
        pytest.param(saved(halves("1", 1, 0), "PNG"), WHITE, BLACK, "1", id="one bit"),
        pytest.param(deep(sixteen(65535, 32896)), WHITE, (128,) * 3, "I;16", id="16-bit PNG"),
        pytest.param(
            saved(Image.fromarray(sixteen(65535, 32896)), "TIFF"), WHITE, (128,) * 3, "I;16", id="16-bit TIFF"
        ),
        pytest.param(
            saved(Image.fromarray(np.float32(sixteen(1, 0))), "TIFF"), WHITE, BLACK, "F", id="floating-point TIFF"
        ),
        pytest.param(
            saved(halves("CMYK", (0, 255, 255, 0), (0, 0, 0, 255)), "TIFF"), RED, BLACK, "CMYK", id="CMYK TIFF"
        ),
        pytest.param(animated("GIF"), RED, RED, "P", id="animated GIF"),
        pytest.param(animated("WEBP"), RED, RED, "RGB", id="animated WebP"),
        pytest.param(animated("PNG"), RED, RED, "RGB", id="animated PNG"),
    ],
)
def test_every_kind_of_pixels_comes_out_right(
    content: bytes, left: tuple[int, int, int], right: tuple[int, int, int], mode: str
) -> None:
    image = load_image(content)
    assert image.mode == "RGB"
    assert image.size == (40, 20)
    assert image.getpixel((5, 10)) == left
    assert image.getpixel((35, 10)) == right
    assert decode(content, Limits(), name="x").mode == mode


def test_cmyk_jpeg_keeps_its_colours_with_and_without_a_profile() -> None:
    image = Image.new("CMYK", (64, 64), (0, 255, 255, 0))
    without = load_image(saved(image, "JPEG", quality=95)).getpixel((30, 30))
    # A profile of another kind of pixels does not fit: the plain rule takes over.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    unfit = load_image(saved(image, "JPEG", quality=95, icc_profile=srgb)).getpixel((30, 30))
    colours: Any = (without, unfit)
    for red, green, blue in colours:
        assert red > 240
        assert max(green, blue) < 20


def test_twelve_bits_are_scaled_by_what_the_file_says() -> None:
    image = load_image(twelve_bit_tiff(), Limits(min_size_px=1))
    assert image.getpixel((0, 0)) == WHITE
    assert image.getpixel((0, 1)) == (128, 128, 128)


def test_a_16_bit_photo_that_is_almost_black_says_so() -> None:
    flaw = decode(deep(sixteen(4000, 0)), Limits(), name="x").flaw
    assert flaw is not None
    assert "nothing above 4000 of 65535" in flaw


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(form: str, orientation: int, picture: Callable[..., Image.Image]) -> None:
    upright = picture(3, (64, 48))
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    lying = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    decoded = decode(saved(lying, form, exif=exif), Limits(), name="x")
    assert (decoded.width, decoded.height) == decoded.image.size == upright.size
    error = np.abs(np.asarray(decoded.image, float) - np.asarray(upright, float)).mean()
    assert error < 6


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")  # Pillow says so; the photo is good without it
def test_a_broken_orientation_costs_a_remark_and_not_the_photo(encoded: Callable[..., bytes]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 12
    decoded = decode(encoded(form="JPEG", exif=exif), Limits(), name="x")
    assert decoded.flaw == "its EXIF orientation is 12, not 1 to 8; left as it is"
    cut = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01"
    assert load_image(encoded(form="JPEG", exif=cut)).size == (64, 48)


def test_a_large_jpeg_is_reduced_for_measuring_and_its_size_is_still_told(encoded: Callable[..., bytes]) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(form="JPEG", size=(1600, 1200), exif=exif)
    decoded = decode(content, Limits(), name="x", at_least_px=256)
    assert (decoded.width, decoded.height) == (1200, 1600)
    assert decoded.image.size == (300, 400)


def slope(mode: str) -> Image.Image:
    """Pixels that all differ, of a mode that is converted in bands."""
    ramp = np.arange(64 * 48).reshape(48, 64)
    if mode == "I;16":
        return Image.fromarray((ramp * 21).astype(np.uint16))
    if mode == "F":
        return Image.fromarray((ramp / 3071).astype(np.float32))
    bands = [Image.fromarray((ramp * step % 256).astype(np.uint8)) for step in (1, 3, 5, 7)]
    return Image.merge(mode, bands[: len(mode)])


@pytest.mark.parametrize(("mode", "form"), [("I;16", "PNG"), ("F", "TIFF"), ("RGBA", "PNG"), ("LA", "PNG")])
def test_bands_leave_no_seams(mode: str, form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(slope(mode), form)
    whole = np.asarray(load_image(content))
    monkeypatch.setattr("components.ingest.pixels._BAND_PIXELS", 300)  # 4 of 48 rows
    assert np.array_equal(np.asarray(load_image(content)), whole)
    monkeypatch.setattr("components.ingest.pixels._BAND_PIXELS", 1)  # less than a row
    assert np.array_equal(np.asarray(load_image(content)), whole)


PEAK = """
import io, sys
import numpy as np
from PIL import Image
from components.ingest import Limits, load_image

def peak() -> int:
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024

content, side = open(sys.argv[1], "rb").read(), int(sys.argv[2])
small = io.BytesIO()
Image.new(sys.argv[3], (64, 64)).save(small, "PNG")
load_image(small.getvalue())  # what is loaded once
before = peak()
load_image(content)
print((peak() - before) / side**2)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's highest memory")
@pytest.mark.parametrize(
    ("mode", "bytes_a_pixel"),
    [("RGB", 6), ("I;16", 11), ("RGBA", 13)],  # 4 for the result, what the file itself unpacks to, and a few bands
)
def test_a_large_photo_is_in_memory_but_once(mode: str, bytes_a_pixel: float, tmp_path: Path) -> None:
    side = 2500
    slope(mode).resize((side, side), Image.Resampling.NEAREST).save(tmp_path / "large.png")
    measured = subprocess.run(
        [sys.executable, "-c", PEAK, tmp_path / "large.png", str(side), mode],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(measured.stdout) < bytes_a_pixel


def test_pixels_are_counted_without_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    content = saved(Image.new("L", (300, 200)), "PNG")

    def never(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    assert count_pixels(content, Limits(), name="x") == 60_000
    for limits, reason in (
        (Limits(max_pixels=59_999), "oversized"),
        (Limits(max_bytes=10), "oversized"),
        (Limits(min_size_px=201), "too_small"),
    ):
        with pytest.raises(PhotoError) as caught:
            count_pixels(content, limits, name="x")
        assert caught.value.reason == reason
    with pytest.raises(PhotoError, match="empty"):
        count_pixels(b"", Limits(), name="x")


def bomb() -> bytes:
    """A PNG of 90,000 x 90,000 pixels in 100 bytes: its header alone would take 24 GB."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 90_000, 90_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def noise(form: str, **options: object) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    return saved(Image.fromarray(pixels), form, **options)


BAD = [
    ("empty.jpg", b"", "zero_byte", "empty"),
    ("cut.jpg", noise("JPEG")[:2000], "truncated", "cut off after 2,000 bytes"),
    ("cut_progressive.jpg", noise("JPEG", progressive=True)[:2000], "truncated", "cut off"),
    ("cut.png", noise("PNG")[:2000], "truncated", "cut off"),
    ("cut.webp", noise("WEBP")[:1000], "truncated", "cut off"),
    ("cut.gif", noise("GIF")[:2000], "truncated", "cut off"),
    ("cut.bmp", noise("BMP")[:2000], "truncated", "cut off"),
    ("cut_in_header.png", noise("PNG")[:20], "truncated", "cut off"),
    ("zeros.jpg", b"\0" * 500, "unreadable", "cannot be read"),
    ("broken.png", noise("PNG")[:60] + b"\xff" * 200 + noise("PNG")[260:], "unreadable", "cannot be decoded"),
    ("bomb.png", bomb(), "oversized", "pixels"),
    ("many_pixels.png", saved(Image.new("L", (3000, 20)), "PNG"), "oversized", "3000 x 20 pixels"),
    ("many_bytes.bmp", saved(Image.new("RGB", (300, 150)), "BMP"), "oversized", "more than 100,000 bytes"),
    ("tiny.png", saved(Image.new("RGB", (5, 90)), "PNG"), "too_small", "5 x 90 pixels"),
    ("notes.txt", b"the scratched ones are from Tuesday", "not_an_image", "not an image"),
    ("README", b"# Photos\n", "not_an_image", "not an image"),
    ("notes.jpg", b"the scratched ones are from Tuesday", "unreadable", "cannot be read"),
    ("page.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not_an_image", "not an image"),
    ("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 50, "unsupported", "HEIC"),
    ("sheet.pdf", b"%PDF-1.7\n", "unsupported", "document"),
    ("script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "unsupported", "document"),
]


@pytest.mark.parametrize(("name", "content", "reason", "said"), BAD, ids=[name for name, *_ in BAD])
def test_what_the_user_sees_of_every_bad_photo(
    name: str, content: bytes, reason: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    limits = Limits(max_pixels=50_000, max_bytes=100_000)
    with pytest.raises(PhotoError) as caught:
        load_image(tmp_path / name, limits)
    assert caught.value.reason == reason
    assert said in caught.value.what
    assert name in caught.value.on
    assert caught.value.remedy
    with pytest.raises(PhotoError) as caught:  # a request's bytes have no name that could help
        decode(content, limits, name=name)
    assert caught.value.reason == reason


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", never)
    with pytest.raises(PhotoError, match="pixels"):
        load_image(saved(Image.new("L", (300, 300)), "PNG"), Limits(max_pixels=80_000))
    with pytest.raises(PhotoError, match="pixels"):
        load_image(bomb(), Limits(max_pixels=10**11))  # Pillow's own guard stands behind ours


def test_no_more_than_the_limit_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as file:
        file.truncate(2**40)  # a terabyte of nothing, no block of it on disk
    with pytest.raises(PhotoError) as caught:
        load_image(huge)
    assert caught.value.reason == "oversized"


def test_no_file_and_no_regular_file(tmp_path: Path) -> None:
    with pytest.raises(PhotoError) as caught:
        load_image(tmp_path / "nowhere.jpg")
    assert caught.value.reason == "missing"
    with pytest.raises(PhotoError) as caught:
        load_image(tmp_path)
    assert caught.value.reason == "unreadable"


def test_a_photo_error_is_the_users_and_crosses_processes() -> None:
    with pytest.raises(UserInputError) as caught:
        load_image(b"", name="upload 3")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.reason, again.what, again.on, again.remedy) == (
        "zero_byte",
        "the file is empty",
        "upload 3",
        "copy the photo again",
    )


def test_the_image_outlives_its_file(encoded: Callable[..., bytes]) -> None:
    image = load_image(encoded())
    assert image.resize((8, 8)).getpixel((0, 0)) is not None
