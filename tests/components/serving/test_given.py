"""Photos as programs hold them: what is taken for one, and what is refused with what to do."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from components.errors import UserInputError
from components.ingest import PhotoError, load_image, rgb_image
from components.serving.given import as_photo, files_of, path_of, photos_of

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def test_one_photo_or_several() -> None:
    one = ("a.jpg", Path("a.jpg"), b"\xff", Image.new("RGB", (20, 20)), PIXELS, PIXELS[:, :, 0], torch.zeros(9, 9))
    assert all(len(photos_of(each)) == 1 for each in one)
    several: tuple[Any, ...] = (["a", "b"], ("a", b"b"), iter(["a", "b"]), np.stack([PIXELS, PIXELS]))
    several += (pd.Series(["a", "b"], index=[7, 8]), np.array(["a", "b"]), np.array([Path("a"), Path("b")]))
    assert all(len(photos_of(each)) == 2 for each in several)
    assert photos_of([]) == []
    for neither in (5, None, 1.5):
        with pytest.raises(UserInputError, match="photos are given as"):
            photos_of(neither)


def test_only_paths_are_called_by_a_path() -> None:
    assert [path_of(each) for each in ("a.jpg", Path("b.jpg"), b"x", PIXELS)] == ["a.jpg", "b.jpg", None, None]


@pytest.mark.parametrize(
    "array",
    [
        PIXELS,
        PIXELS.astype(np.int64),
        PIXELS.astype(np.uint16) * 257,
        PIXELS / 255,
        (PIXELS / 255).astype(np.float32),
        torch.from_numpy(PIXELS),
        PIXELS[::1, ::-1][:, ::-1],
        np.dstack([PIXELS, np.full((20, 30), 255, np.uint8)]),
    ],
    ids=["uint8", "int64", "uint16", "float64", "float32", "tensor", "strided", "rgba"],
)
def test_arrays_of_every_kind_are_the_same_photo(array: Any) -> None:
    photo = as_photo(array)
    assert isinstance(photo, Image.Image)
    assert np.array_equal(np.asarray(rgb_image(photo)), PIXELS)


def test_grey_arrays_and_masks() -> None:
    grey = PIXELS[:, :, 0]
    for array in (grey, grey[:, :, None], grey / 255):
        photo = as_photo(array)
        assert isinstance(photo, Image.Image)
        assert np.array_equal(np.asarray(rgb_image(photo))[:, :, 1], grey)
    mask = as_photo(grey > 127)
    assert isinstance(mask, Image.Image)
    assert set(np.unique(np.asarray(mask))) == {0, 255}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (PIXELS.transpose(2, 0, 1), "transpose"),
        (np.zeros((0, 5, 3), np.uint8), "shape"),
        (np.zeros((5, 5, 2), np.uint8), "shape"),
        (np.zeros((2, 5, 5, 5, 3), np.uint8), "shape"),
        (PIXELS.astype(np.float32), "0 to 1"),
        (PIXELS.astype(np.int32) - 128, "0 to 255"),
        (np.full((20, 20), np.nan), "0 to 1"),
        (np.zeros((20, 20), np.complex64), "complex64"),
        (np.zeros((20, 20), object), "object"),
        (torch.zeros(20, 20, requires_grad=True), "cannot be read"),
        (torch.zeros(20, 20, dtype=torch.bfloat16), "cannot be read"),
        (None, "NoneType"),
        (float("nan"), "float"),
        (["a.jpg"], "list"),
    ],
    ids=str,
)
def test_what_is_no_photo_is_told_with_what_to_give(given: Any, told: str) -> None:
    with pytest.raises(PhotoError, match=told) as refused:
        as_photo(given)
    assert refused.value.remedy
    assert refused.value.reason == "not_an_image"


def test_an_image_that_is_open_is_the_photo_of_its_file() -> None:
    """Turned as its EXIF orientation says, on white where it is transparent."""
    exif = Image.Exif()
    exif[0x0112] = 6
    for mode, form, options in (("RGB", "JPEG", {"exif": exif}), ("CMYK", "JPEG", {}), ("RGBA", "PNG", {})):
        file = io.BytesIO()
        Image.fromarray(PIXELS).convert(mode).save(file, form, **options)
        opened = rgb_image(Image.open(io.BytesIO(file.getvalue())))
        assert np.array_equal(np.asarray(opened), np.asarray(load_image(file.getvalue())))
    with pytest.raises(PhotoError, match="below 16"):
        rgb_image(Image.new("RGB", (5, 5)))
    closed = Image.open(io.BytesIO(file.getvalue()))
    closed.close()
    with pytest.raises(PhotoError, match="pixels cannot be read"):
        rgb_image(closed)


def test_photos_become_files_and_the_temporary_ones_go() -> None:
    jpeg = io.BytesIO()
    Image.fromarray(PIXELS).save(jpeg, "JPEG")
    with files_of(["a.jpg", jpeg.getvalue(), PIXELS]) as (files, folder):
        assert files[0] == Path("a.jpg")
        assert files[1].read_bytes() == jpeg.getvalue()
        assert np.array_equal(np.asarray(load_image(files[2])), PIXELS)
        assert folder is not None
    assert not folder.exists()
    with files_of("a.jpg") as (files, folder):
        assert (files, folder) == ([Path("a.jpg")], None)
