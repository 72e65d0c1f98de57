"""One photo, from its bytes to RGB pixels the right way up: the one way in for training and for serving alike.

The result is the first frame, turned as its EXIF orientation says. Palettes, grey, CMYK (through its colour profile if
it has one) and 16 or 12 bits become 8-bit RGB; transparent parts become white, as in a viewer. A photo that is too
large is refused from its header, before any pixel is decoded. Pixels that are cut off or broken, and files that are no
photo, are refused with a reason. A defect of a file besides its pixels is a flaw.
"""

import io
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeVar

from PIL import ExifTags, Image, UnidentifiedImageError

from components.errors import ShotlineError, UserInputError
from components.ingest.damage import damage_of
from components.ingest.pixels import as_rgb
from components.ingest.salvage import salvaged

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
    "rgb_image",
]

T = TypeVar("T")

Reason = Literal[
    "not_an_image",  # no image at all, by its content
    "unsupported",  # an image of a format, or with pixels, that is not read here
    "zero_byte",
    "truncated",
    "unreadable",  # its name or beginning is an image's, but it is broken
    "oversized",
    "too_small",
    "missing",
    "outside_root",
    "duplicate",
    "duplicate_across_splits",
    "duplicate_across_classes",
    "bad_name",
    "dropped",  # somebody said so
]

# Files are read by content, not by name. No format that calls another program (EPS) or holds a document (PDF).
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

_opening = threading.Lock()

# Pillow only warns between its limit and twice that; here a decompression bomb is an error, also with raised limits.
warnings.filterwarnings("error", category=Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Limits:
    """Limits of one photo: least shorter side in pixels, most pixels, most bytes."""

    min_size_px: int = 16
    max_pixels: int = 64_000_000
    max_bytes: int = 64_000_000


class PhotoError(UserInputError):
    """One photo cannot be used; catch it to go on with the others.

    Attributes:
        reason: the code in the quarantine and in the service's answers.
    """

    def __init__(self, what: str, *, on: str, remedy: str, reason: Reason) -> None:
        super().__init__(what, on=on, remedy=remedy)
        self.reason: Reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild, (self.what, self.on, self.remedy, self.reason))


def _rebuild(what: str, on: str, remedy: str, reason: Reason) -> ShotlineError:
    return PhotoError(what, on=on, remedy=remedy, reason=reason)


def none_usable(class_name: str, refused: Sequence[PhotoError]) -> UserInputError:
    """The error of a class without any usable photo, with the reason of the first refused one."""
    first = f"none of its photos can be used; the first, {refused[0].on}: {refused[0].what}" if refused else None
    return UserInputError(
        first or "there is no photo of it", on=class_name, remedy="give at least one JPEG, PNG or WebP photo"
    )


@dataclass(frozen=True)
class Decoded:
    """A photo's pixels and the facts of its file.

    Attributes:
        image: RGB, the right way up.
        width: pixels across, as turned and before any reduction.
        height: pixels down, likewise.
        mode: Pillow's name of the pixels in the file (`RGB`, `P`, `CMYK`, `I;16`, ...).
        flaw: what was wrong with the file although it was decoded; None if nothing was.
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
        limits: limits of the photo's size; None: the defaults of `Limits`.
        name: the name in error messages of a photo that is given as bytes.

    Raises:
        PhotoError: with the reason, if the photo cannot or may not be read.
    """
    limits = limits or Limits()
    if isinstance(source, Path):
        name = str(source)
        source = read_photo(source, limits, name=name)
    return decode(source, limits, name=name, look_for_damage=False).image


def rgb_image(image: Image.Image, limits: Limits | None = None, *, name: str = "the photo") -> Image.Image:
    """An image that a program has opened or made, as `load_image` gives one: RGB, turned as its EXIF orientation says.

    Raises:
        PhotoError: with the reason, if the image cannot or may not be read.
    """
    limits = limits or Limits()
    _check_size(*image.size, limits, name)
    try:
        with _opening:  # several threads may hold the same image, and its file is not read yet
            image.load()
        return _upright_rgb(image)[0]
    except Exception as error:  # noqa: BLE001 (what is opened is decoded here: foreign bytes, or a file that was closed)
        raise _refused("unreadable", f"its pixels cannot be read ({error})", name) from None


def count_pixels(content: bytes, limits: Limits, *, name: str) -> int:
    """How many pixels a photo decodes to, from its header alone, as a measure of the cost.

    Raises:
        PhotoError: with the reason, where the header already shows that the photo cannot or may not be read.
    """

    def counted(content: bytes) -> int:
        with _mistakes_told(content, limits, name), _open(content, name) as image:
            _check_size(*image.size, limits, name)
            return image.width * image.height

    return _or_salvaged(counted, content)[0]


def read_photo(path: Path, limits: Limits, *, name: str) -> bytes:
    """A photo file's bytes; it never reads more than the limit.

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


def decode(
    content: bytes, limits: Limits, *, name: str, at_least_px: int | None = None, look_for_damage: bool = True
) -> Decoded:
    """Decode a photo's bytes once.

    Args:
        content: the file's bytes.
        limits: what the photo may be.
        name: its name in error messages.
        at_least_px: if given, a large JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, with a shorter side of at
            least this; for measurements that need no full resolution.
        look_for_damage: `flaw` reports damaged pixels too; a JPEG then takes a fourth more time.

    Raises:
        PhotoError: with the reason.
    """
    decoded, flaw = _or_salvaged(lambda content: _decode(content, limits, name, at_least_px), content)
    flaws = (flaw, damage_of(content, decoded.mode) if look_for_damage and not flaw else None, decoded.flaw)
    return replace(decoded, flaw="; ".join(filter(None, flaws)) or None)


def _or_salvaged(read: Callable[[bytes], T], content: bytes) -> tuple[T, str | None]:
    """The result of `read` for a file, or for the salvaged rest of a file that it refuses, with a flaw."""
    try:
        return read(content), None
    except PhotoError as error:
        if error.reason not in ("truncated", "unreadable"):
            raise
        refused = error
    for saved in salvaged(content):
        try:
            return read(saved.content), saved.flaw
        except PhotoError as error:
            if error.reason in ("oversized", "too_small"):
                raise
    raise refused


def _decode(content: bytes, limits: Limits, name: str, at_least_px: int | None) -> Decoded:
    with _mistakes_told(content, limits, name), _open(content, name) as image:
        _check_size(*image.size, limits, name)
        mode, full_size = image.mode, image.size
        drafted = at_least_px is not None and image.draft(None, (at_least_px, at_least_px)) is not None
        rgb, orientation, flaw = _upright_rgb(image)
        width, height = full_size if drafted else image.size  # loading may already have turned a TIFF
        if orientation >= 5:
            width, height = height, width
        return Decoded(rgb, width, height, mode, flaw)


def _upright_rgb(image: Image.Image) -> tuple[Image.Image, int, str | None]:
    """An opened image as RGB the right way up, the EXIF orientation that it had, and its flaw (None if it has none)."""
    image.load()
    orientation, flaw = _orientation(image)
    rgb, doubt = as_rgb(image)
    if orientation > 1:
        rgb = rgb.transpose(_TURNS[orientation])
    return rgb, orientation, "; ".join(filter(None, (flaw, doubt))) or None


@contextmanager
def _mistakes_told(content: bytes, limits: Limits, name: str) -> Iterator[None]:
    """Within the block, every error of a decoder becomes a `PhotoError`; an empty file is refused first."""
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
        raise _refused("unreadable", "its name or its beginning is an image's, but it cannot be read", name)
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
    # Read only after loading: Pillow turns some formats (TIFF, AVIF) itself while loading, and drops the tag.
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception as error:  # noqa: BLE001 (EXIF is foreign bytes too; the pixels are good without it)
        return 1, f"its EXIF data cannot be read, so its orientation is not known ({error})"
    if value in (None, 0, 1):  # 0: "unknown", as some scanners write
        return 1, None
    if value not in _TURNS:
        return 1, f"its EXIF orientation is {value}, not 1 to 8; left as it is"
    return int(value), None
