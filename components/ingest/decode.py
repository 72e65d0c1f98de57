"""One photo, from its bytes to RGB pixels the right way up: the one way in for training and for serving alike.

What comes out: the first frame; turned as its EXIF orientation says; palettes, grey, CMYK (through its colour profile
where it carries one) and 16 or 12 bits made 8-bit RGB; transparent parts on white, as a viewer shows them. What is too
large is refused from its header, before any pixel is decoded; what is cut off or is no photo is refused with a reason.
"""

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import ExifTags, Image, ImageCms, UnidentifiedImageError

from components.errors import ShotlineError, UserInputError

__all__ = [
    "PILLOW_MAX_PIXELS",
    "Decoded",
    "Limits",
    "PhotoError",
    "Reason",
    "count_pixels",
    "decode",
    "load_image",
    "read_photo",
]

Reason = Literal[
    "not_an_image",  # no image at all, by its content
    "unsupported",  # an image of a format, or with pixels, that is not read here
    "zero_byte",
    "truncated",
    "unreadable",  # named or begun as an image, but broken
    "oversized",
    "too_small",
    "missing",
    "outside_root",
    "duplicate",
    "duplicate_across_splits",
    "duplicate_across_classes",
    "bad_name",
]

# Read by content, whatever a file is called. No format that calls another program (EPS) or holds a document (PDF).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "PPM", "JPEG2000")
EXTENSIONS = frozenset(
    f".{name}"
    for name in (
        *("jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff"),
        *("avif", "ppm", "pgm", "pbm", "pnm", "jp2", "j2k"),
    )
)
PILLOW_MAX_PIXELS = 89_478_485  # Image.MAX_IMAGE_PIXELS: Pillow's own guard, kept in place behind ours

_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TIFF_BITS_PER_SAMPLE = 258
_BAND_PIXELS = 250_000  # converted at once: what a conversion holds meanwhile does not grow with the photo

# Pillow only warns between its limit and twice that; here a bomb is an error, also where `Limits` were raised by hand.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Limits:
    """What one photo may be: shorter side in pixels at least, pixels and bytes at most."""

    min_size_px: int = 16
    max_pixels: int = 64_000_000
    max_bytes: int = 64_000_000


class PhotoError(UserInputError):
    """One photo cannot be used; catch it to go on with the others.

    Attributes:
        reason: the code that quarantine and the service's answers carry.
    """

    def __init__(self, what: str, *, on: str, remedy: str, reason: Reason) -> None:
        super().__init__(what, on=on, remedy=remedy)
        self.reason: Reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.what, self.on, self.remedy, self.reason))


def _rebuild(what: str, on: str, remedy: str, reason: Reason) -> ShotlineError:
    return PhotoError(what, on=on, remedy=remedy, reason=reason)


@dataclass(frozen=True)
class Decoded:
    """A photo's pixels and what its file said of itself.

    Attributes:
        image: RGB, the right way up.
        width: pixels across, as turned and before any reduction.
        height: pixels down, likewise.
        mode: Pillow's name of the pixels in the file (`RGB`, `P`, `CMYK`, `I;16`, ...).
        flaw: what was wrong with the file although the pixels came out; None where nothing was.
    """

    image: Image.Image
    width: int
    height: int
    mode: str
    flaw: str | None


def load_image(source: Path | bytes, limits: Limits | None = None, *, name: str = "the photo") -> Image.Image:
    """A photo as an RGB image the right way up.

    Args:
        source: a file or its bytes.
        limits: what the photo may be; the defaults of `Limits` where None.
        name: what error messages call a photo that comes as bytes.

    Raises:
        PhotoError: with the reason, if the photo cannot or may not be read.
    """
    limits = limits or Limits()
    if isinstance(source, Path):
        name = str(source)
        return decode(read_photo(source, limits, name=name), limits, name=name).image
    return decode(source, limits, name=name).image


def count_pixels(content: bytes, limits: Limits, *, name: str) -> int:
    """How many pixels a photo unpacks to, from its header alone: what decoding it will cost.

    Raises:
        PhotoError: with the reason, where the header already shows that the photo cannot or may not be read.
    """
    with _mistakes_told(content, limits, name), _open(content, name) as image:
        _check_size(*image.size, limits, name)
        return image.width * image.height


def read_photo(path: Path, limits: Limits, *, name: str) -> bytes:
    """A photo file's bytes; never more than the limit is read.

    Raises:
        PhotoError: `missing`, `oversized` or `unreadable` (no permission, not a regular file).
    """
    try:
        if path.exists() and not path.is_file():  # reading a pipe or device would never end
            raise _refused("unreadable", "it is not a regular file", name)
        with path.open("rb") as file:
            content = file.read(limits.max_bytes + 1)
    except FileNotFoundError:
        raise _refused("missing", "there is no such file", name) from None
    except OSError as error:
        raise _refused("unreadable", f"the file cannot be read: {error.strerror}", name) from None
    _check_bytes(len(content), limits, name)
    return content


def decode(content: bytes, limits: Limits, *, name: str, at_least_px: int | None = None) -> Decoded:
    """Decode a photo's bytes once.

    Args:
        content: the file's bytes.
        limits: what the photo may be.
        name: what error messages call it.
        at_least_px: where given, a large JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, with a shorter side of
            at least this; for measurements that need no full resolution.

    Raises:
        PhotoError: with the reason.
    """
    with _mistakes_told(content, limits, name), _open(content, name) as image:
        _check_size(*image.size, limits, name)
        mode, full_size = image.mode, image.size
        drafted = at_least_px is not None and image.draft(None, (at_least_px, at_least_px)) is not None
        image.load()
        orientation, flaw = _orientation(image)
        width, height = full_size if drafted else image.size  # loading a TIFF may have turned it already
        if orientation >= 5:
            width, height = height, width
        rgb, dark = _as_rgb(image)
        if orientation > 1:
            rgb = rgb.transpose(_TURNS[orientation])
        return Decoded(rgb, width, height, mode, flaw or dark)


@contextmanager
def _mistakes_told(content: bytes, limits: Limits, name: str) -> Iterator[None]:
    """Whatever a decoder raises comes out as a `PhotoError`; what needs no decoder is checked first."""
    if not content:
        raise _refused("zero_byte", "the file is empty", name)
    _check_bytes(len(content), limits, name)
    try:
        yield
    except ShotlineError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        raise _refused("oversized", "it unpacks to more pixels than are allowed", name) from None
    except Exception as error:  # noqa: BLE001 (decoders of foreign bytes raise whatever they meet: struct, Syntax, Key...)
        if _is_cut_off(content, error):
            raise _refused("truncated", f"the file is cut off after {len(content):,} bytes", name) from None
        raise _refused("unreadable", f"it begins like an image but cannot be decoded ({error})", name) from None


def _open(content: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=FORMATS)
    except UnidentifiedImageError:
        pass
    if content[4:8] == b"ftyp" and content[8:12] in _HEIF_BRANDS:
        raise _refused("unsupported", "it is a HEIC photo, a format that is not read here", name)
    if content[:4] in (b"%!PS", b"%PDF"):
        raise _refused("unsupported", "it is a document, not a photo", name)
    if _starts_as_image(content) or Path(name).suffix.lower() in EXTENSIONS:
        if _starts_as_image(content) and _is_cut_off(content, None):
            raise _refused("truncated", f"the file is cut off after {len(content):,} bytes", name)
        raise _refused("unreadable", "it is named or begins like an image but is none that can be read", name)
    raise _refused("not_an_image", "it is not an image", name)


def _check_bytes(size_bytes: int, limits: Limits, name: str) -> None:
    if size_bytes > limits.max_bytes:
        raise _refused("oversized", f"the file has more than {limits.max_bytes:,} bytes", name)


def _check_size(width: int, height: int, limits: Limits, name: str) -> None:
    if width * height > limits.max_pixels:
        raise _refused(
            "oversized", f"it has {width} x {height} pixels, more than {limits.max_pixels:,} altogether", name
        )
    if min(width, height) < limits.min_size_px:
        raise _refused("too_small", f"it has {width} x {height} pixels, a side below {limits.min_size_px}", name)


_REMEDIES: dict[Reason, str] = {
    "oversized": "shrink it, or raise ingest.max_pixels or ingest.max_bytes in params.yaml",
    "too_small": "use a larger photo, or lower ingest.min_size_px in params.yaml",
    "zero_byte": "copy the photo again",
    "truncated": "copy the photo again",
    "unreadable": "export the photo again, as JPEG or PNG",
    "unsupported": "convert it to JPEG or PNG",
    "not_an_image": "leave only photos in the classes' folders",
    "missing": "check the path",
}


def _refused(reason: Reason, what: str, name: str) -> PhotoError:
    return PhotoError(what, on=name, remedy=_REMEDIES[reason], reason=reason)


def _starts_as_image(content: bytes) -> bool:
    return content.startswith((b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"BM", b"II*\0", b"MM\0*")) or (
        content[:4] == b"RIFF" and content[8:12] == b"WEBP"
    )


def _is_cut_off(content: bytes, error: Exception | None) -> bool:
    # Pillow says "truncated" for some formats only; for the others the container tells where it should have ended.
    if error is not None and "truncated" in str(error).lower():
        return True
    if content.startswith(b"\xff\xd8\xff"):
        return b"\xff\xd9" not in content[-64:]
    if content.startswith(b"\x89PNG"):
        return b"IEND" not in content[-64:]
    if content.startswith(b"GIF8"):
        return not content.rstrip(b"\0").endswith(b";")
    if content[:4] == b"RIFF":
        return len(content) < int.from_bytes(content[4:8], "little") + 8
    if content.startswith(b"BM"):
        return len(content) < int.from_bytes(content[2:6], "little")
    return False


def _orientation(image: Image.Image) -> tuple[int, str | None]:
    """EXIF orientation, 1 (as it is) to 8, and a flaw where it cannot be known."""
    # Asked only after loading: Pillow turns some formats (TIFF, AVIF) itself then, and forgets the tag.
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # noqa: BLE001 (EXIF is foreign bytes too; the pixels are good without it)
        return 1, f"its EXIF data cannot be read, so its orientation is not known ({error})"
    if value in (None, 0, 1):  # 0: "unknown", as some scanners write
        return 1, None
    if value not in _TURNS:
        return 1, f"its EXIF orientation is {value}, not 1 to 8; left as it is"
    return int(value), None


def _as_rgb(image: Image.Image) -> tuple[Image.Image, str | None]:
    """RGB on white, and a flaw where the photo is suspiciously dark."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_as_rgb(image)
    if image.mode == "CMYK":
        return _cmyk_as_rgb(image), None
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _converted(image, lab), None
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _in_bands(image, _on_white), None
    # A decoded file's own pixels go on being its own: a copy would double what a large photo takes.
    return (image if image.mode == "RGB" else image.convert("RGB")), None


def _on_white(band: Image.Image) -> Image.Image:
    over = band.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")


def _deep_as_rgb(image: Image.Image) -> tuple[Image.Image, str | None]:
    # Pillow's own conversion clips at 255 instead of scaling: every 16-bit photo would come out white.
    highest = max(float(np.asarray(image.crop(box)).max()) for box in _bands(image))
    flaw = None
    if image.mode == "F":
        top = 1.0 if highest <= 1.0 else 255.0 if highest <= 255.0 else 65535.0
    else:
        tags: Any = getattr(image, "tag_v2", {})
        bits = int(np.max(tags.get(_TIFF_BITS_PER_SAMPLE, 16)))
        top = 4095.0 if bits == 12 else 255.0 if bits <= 8 else 65535.0
        if top == 65535.0 and highest <= 4095:
            flaw = f"it has 16 bits but nothing above {highest:.0f} of 65535, so it is almost black"

    def scaled(band: Image.Image) -> Image.Image:
        eight = np.clip(np.rint(np.asarray(band).astype(np.float64) * (255.0 / top)), 0, 255).astype(np.uint8)
        return Image.fromarray(eight).convert("RGB")

    return _in_bands(image, scaled), flaw


def _in_bands(image: Image.Image, as_rgb: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """`as_rgb` of an image, a band of rows at a time, for conversions that hold several copies of their input."""
    rgb = Image.new("RGB", image.size)
    for box in _bands(image):
        rgb.paste(as_rgb(image.crop(box)), box)
    return rgb


def _bands(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (left, upper, right, lower) of whole rows that cover the image."""
    rows = max(1, _BAND_PIXELS // image.width)
    for upper in range(0, image.height, rows):
        yield 0, upper, image.width, min(upper + rows, image.height)


def _cmyk_as_rgb(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            return _converted(image, ImageCms.ImageCmsProfile(io.BytesIO(profile)))
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile that does not fit: the plain rule below is right in hue, only more vivid
    return image.convert("RGB")


def _converted(image: Image.Image, profile: Any) -> Image.Image:
    converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if converted is None:  # only for conversions in place, which this is not
        raise OSError("no colour conversion")
    return converted
