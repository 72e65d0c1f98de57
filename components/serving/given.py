"""Converts photos as programs hold them (paths, bytes, Pillow images, arrays) for the classifier and arrivals."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
from PIL import Image

from components.errors import UserInputError
from components.ingest import PhotoError

if TYPE_CHECKING:
    from components.serving.answers import Photo

__all__ = ["GivenPhoto", "as_photo", "ask_each", "files_of", "path_of", "photos_of"]

T = TypeVar("T")

GivenPhoto: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | Image.Image | Any"
"""One photo: a path, a file's bytes, a Pillow image, or an array; see `as_photo`."""

_SINGLE = (str, os.PathLike, bytes, bytearray, memoryview, Image.Image)
_BATCH = 32
_CHANNELS = (1, 3, 4)
_REMEDY = "give a path, a file's bytes, a Pillow image, or an array (height, width) or (height, width, 3)"


def photos_of(given: GivenPhoto | Iterable[GivenPhoto]) -> list[GivenPhoto]:
    """The photos as a list, whether one or several are given; a (n, height, width, channels) array is n photos.

    Raises:
        UserInputError: what is given is neither a photo nor a collection.
    """
    if isinstance(given, _SINGLE):
        return [given]
    if hasattr(given, "__array__") and not _is_list(given):
        return list(given) if getattr(given, "ndim", 0) == 4 else [given]
    if not isinstance(given, Iterable):
        raise UserInputError(f"photos are given as {type(given).__name__}", on=repr(given)[:80], remedy=_REMEDY)
    return list(given)


def path_of(given: GivenPhoto) -> str | None:
    """The path of a photo that is given as a path; None if it is given otherwise."""
    return os.fspath(given) if isinstance(given, str | os.PathLike) else None


def as_photo(given: GivenPhoto) -> Photo:
    """One photo, as `PhotoClassifier` reads it.

    Args:
        given: a path; a file's bytes; a Pillow image, turned as its EXIF orientation says; or an array of grey
            (height, width), RGB (height, width, 3) or RGBA (height, width, 4) pixels: uint8, uint16 (65535 is white),
            other integers from 0 to 255, or floats from 0 to 1.

    Raises:
        PhotoError: it is none of these.
    """
    if isinstance(given, bytes | Image.Image):
        return given
    if isinstance(given, bytearray | memoryview):
        return bytes(given)
    if isinstance(given, str | os.PathLike):
        return Path(given)
    if not hasattr(given, "__array__"):
        raise _refused(f"it is given as {type(given).__name__}", _REMEDY)
    try:
        pixels = np.asarray(given)
    except (TypeError, ValueError, RuntimeError) as error:  # a tensor on another device, or that needs its gradient
        raise _refused(f"its pixels cannot be read: {error}", "give a NumPy array") from None
    return Image.fromarray(_eight_bits(_checked_shape(pixels)))


def ask_each(given: Sequence[GivenPhoto], ask: Callable[[list[Photo]], list[T]]) -> list[T | PhotoError]:
    """The results of `ask` for photos, in order, a batch at a time; whatever is no photo has its error instead."""
    answers: list[T | PhotoError] = []
    for start in range(0, len(given), _BATCH):
        photos: list[Photo | PhotoError] = []
        for each in given[start : start + _BATCH]:
            try:
                photos.append(as_photo(each))
            except PhotoError as error:
                photos.append(error)
        asked = iter(ask([photo for photo in photos if not isinstance(photo, PhotoError)]))
        answers += [photo if isinstance(photo, PhotoError) else next(asked) for photo in photos]
    return answers


def _is_list(array: Any) -> bool:
    """Whether an array or a table's column holds objects, such as paths, instead of pixels."""
    return getattr(array, "ndim", 0) == 1


@contextmanager
def files_of(given: GivenPhoto | Iterable[GivenPhoto]) -> Iterator[tuple[list[Path], Path | None]]:
    """Photos as files: paths as they are, the others written to a temporary folder, which goes at the end.

    Returns:
        The files, and the temporary folder; None if there is none.

    Raises:
        PhotoError: one of them cannot be a photo; none of them is then read.
    """
    photos = [as_photo(each) for each in photos_of(given)]
    if all(isinstance(photo, Path) for photo in photos):
        yield [photo for photo in photos if isinstance(photo, Path)], None
        return
    with tempfile.TemporaryDirectory(prefix="shotline-") as folder:
        yield [_file(photo, Path(folder) / f"photo {number}") for number, photo in enumerate(photos)], Path(folder)


def _file(photo: Photo, place: Path) -> Path:
    if isinstance(photo, Path):
        return photo
    if isinstance(photo, bytes):
        place.write_bytes(photo)
    else:
        from components.ingest import rgb_image

        rgb_image(photo).save(place, format="PNG", compress_level=1)
    return place


def _checked_shape(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    if 0 in pixels.shape or not (pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in _CHANNELS)):
        channels_first = pixels.ndim == 3 and pixels.shape[0] in _CHANNELS
        raise _refused(
            f"its array has the shape {pixels.shape}",
            "put the channels last: array.transpose(1, 2, 0)" if channels_first else _REMEDY,
        )
    return pixels


def _eight_bits(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels)
    if pixels.dtype.kind not in "buif":
        raise _refused(f"its array holds {pixels.dtype}", "give uint8 pixels")
    white = 1 if pixels.dtype.kind in "bf" else 65535 if pixels.dtype == np.uint16 else 255
    low, high = pixels.min(), pixels.max()
    if not (low >= 0 and high <= white):  # also true if one is NaN
        raise _refused(
            f"its {pixels.dtype} pixels reach from {low:g} to {high:g}, not from 0 to {white}",
            f"give uint8 pixels, or scale them to 0 to {white}",
        )
    return np.rint(pixels.astype(np.float64) * (255 / white)).astype(np.uint8)


def _refused(what: str, remedy: str) -> PhotoError:
    return PhotoError(what, on="the photo", remedy=remedy, reason="not_an_image")
