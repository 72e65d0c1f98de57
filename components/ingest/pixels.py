"""Pixels of every kind made 8-bit RGB: palettes, grey, CMYK, LAB, transparency, 16 bits, floating point.

The brightness of a photo with deep pixels follows from most of its pixels: a single pixel never decides.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageCms

__all__ = ["as_rgb"]

_BAND_PIXELS = 250_000  # rows converted at once: a conversion's memory does not grow with the photo
_LOOKED_AT = 500_000  # pixels from which a photo's scale is learnt, evenly spread
_TIFF_BITS_PER_SAMPLE = 258
_BRIGHT = 0.99  # this share of the pixels decides the scale; what is brighter is shown white
_OVER = 1.01  # pixels may exceed a scale's white by so much: filters overshoot
_DARK = 1 / 16  # a photo with nothing above this share of white is almost black: 4095 of 65535


def as_rgb(image: Image.Image) -> tuple[Image.Image, str | None]:
    """RGB on white, and a flaw if it is doubtful how bright the photo is meant.

    Raises:
        ValueError: none of its pixels is a number.
    """
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_as_rgb(image)
    if image.mode == "CMYK":
        return _cmyk_as_rgb(image), None
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _converted(image, lab), None
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        return _in_bands(image, _on_white), None
    # The decoded file's pixels are not copied: a copy would double a large photo's memory.
    return (image if image.mode == "RGB" else image.convert("RGB")), None


def _on_white(band: Image.Image) -> Image.Image:
    over = band.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")


@dataclass(frozen=True)
class _Values:
    """What is known of a photo's deep pixels.

    Attributes:
        bright: the value that 99 % of the pixels do not exceed.
        highest: the highest of all.
        not_numbers: how many are infinite or no number.
        negative: how many are below zero.
        total: how many there are.
    """

    bright: float
    highest: float
    not_numbers: int
    negative: int
    total: int


def _values(image: Image.Image) -> _Values:
    total = image.width * image.height
    step = max(1, total // _LOOKED_AT)
    sample, highest, not_numbers, negative = [], -np.inf, 0, 0
    for box in _bands(image):
        band = np.asarray(image.crop(box)).ravel()
        finite = np.isfinite(band) if band.dtype.kind == "f" else None
        if finite is not None and not finite.all():
            not_numbers += int(band.size - np.count_nonzero(finite))
            band = band[finite]
        if band.size:
            highest = max(highest, float(band.max()))
            negative += int(np.count_nonzero(band < 0)) if band.dtype.kind != "u" else 0
            sample.append(band[:: min(step, band.size)].astype(np.float64))
    if not_numbers == total:
        raise ValueError("none of its pixels is a number")
    bright = float(np.quantile(np.concatenate(sample), _BRIGHT, method="higher"))
    if total < 200:  # so few pixels that one is more than the share that may be brighter
        bright = float(np.sort(np.concatenate(sample))[-2:][0])
    return _Values(bright, highest, not_numbers, negative, total)


def _deep_as_rgb(image: Image.Image) -> tuple[Image.Image, str | None]:
    # Pillow's own conversion clips at 255 instead of scaling: every 16-bit photo would come out white.
    values = _values(image)
    tags: Any = getattr(image, "tag_v2", {})
    bits = int(np.max(tags.get(_TIFF_BITS_PER_SAMPLE, 16)))
    if image.mode == "F":
        top, flaw = _open_scale(values, (1.0, 255.0, 65535.0))
    elif bits > 16:
        top, flaw = _open_scale(values, (255.0, 65535.0, 2.0**31 - 1))
    else:
        top, flaw = 4095.0 if bits == 12 else 255.0 if bits <= 8 else 65535.0, None
        if top == 65535.0 and values.bright <= _DARK * top:
            flaw = f"it has 16 bits but almost nothing above {values.bright:.0f} of 65535, so it is almost black"
    flaw = _doubtful_pixels(values) or flaw

    def scaled(band: Image.Image) -> Image.Image:
        pixels = np.clip(np.nan_to_num(np.asarray(band).astype(np.float64), nan=0.0), 0.0, top)
        eight = np.rint(pixels * (255.0 / top)).astype(np.uint8)
        return Image.fromarray(eight).convert("RGB")

    return _in_bands(image, scaled), flaw


def _open_scale(values: _Values, whites: tuple[float, ...]) -> tuple[float, str | None]:
    """The value of white in pixels whose type does not define it, and a flaw if that is a guess.

    It is the first of the usual whites that all but one pixel in a hundred stay below, or the pixels' own bright end if
    none of them fits.
    """
    white = next((each for each in whites if values.bright <= each * _OVER), values.bright)
    fits = white in whites and (white == whites[0] or values.bright > _DARK * white)
    if not fits:
        return values.bright, f"its pixels reach {values.bright:.4g}, which fits no usual scale; that is shown as white"
    if values.bright <= _DARK * white:
        return white, f"almost nothing in it is above {values.bright:.4g} of {white:g}, so it is almost black"
    if values.highest > white * _OVER:
        return (
            white,
            f"some of its pixels reach {values.highest:.4g}, above its white of {white:g}; they are shown white",
        )
    return white, None


def _doubtful_pixels(values: _Values) -> str | None:
    if values.not_numbers:
        return f"{values.not_numbers} of its {values.total} pixels are no finite numbers; they are shown black or white"
    if values.negative > (1 - _BRIGHT) * values.total:
        return f"{values.negative / values.total:.0%} of its pixels are below 0; they are shown black"
    return None


def _in_bands(image: Image.Image, to_rgb: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """`to_rgb` of an image, a band of rows at a time, for conversions that hold several copies of their input."""
    rgb = Image.new("RGB", image.size)
    for box in _bands(image):
        rgb.paste(to_rgb(image.crop(box)), box)
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
            pass  # a profile that does not fit: the plain rule below gives the right hue, only more vivid
    return image.convert("RGB")


def _converted(image: Image.Image, profile: Any) -> Image.Image:
    converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    if converted is None:  # None only for conversions in place, which this is not
        raise OSError("no colour conversion")
    return converted
