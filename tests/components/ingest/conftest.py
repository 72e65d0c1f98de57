import ctypes
import os
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Draw = Callable[..., Path]


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    """A picture of smooth random colours; another seed, another picture."""

    def make(seed: int = 0, size: tuple[int, int] = (64, 48)) -> Image.Image:
        coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)

    return make


@pytest.fixture
def encoded(picture: Callable[..., Image.Image]) -> Callable[..., bytes]:
    """The bytes of a picture's file."""

    def make(seed: int = 0, form: str = "PNG", size: tuple[int, int] = (64, 48), **options: Any) -> bytes:
        file = BytesIO()
        picture(seed, size).save(file, form, **options)
        return file.getvalue()

    return make


@pytest.fixture
def draw(encoded: Callable[..., bytes]) -> Draw:
    """Draw a picture into a file; its folders are made."""

    def make(path: Path, seed: int = 0, form: str = "PNG", **options: Any) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(seed, form, **options))
        return path

    return make


@pytest.fixture
def two_classes(tmp_path: Path, draw: Draw) -> Path:
    """A photo folder with the classes crack and pit, three photos each."""
    root = tmp_path / "photos"
    for seed in range(3):
        draw(root / "crack" / f"{seed}.png", seed)
        draw(root / "pit" / f"{seed}.png", 10 + seed)
    return root


_OVERRIDES = (1 << 1) | (1 << 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH of capabilities(7)
_CAPABILITY_VERSION_3 = 0x20080522


@pytest.fixture
def modes_bite() -> Iterator[None]:
    """Permissions hold for this thread and those that it starts, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    before = (ctypes.c_uint32 * 6)()
    assert libc.capget(header, before) == 0
    now = (ctypes.c_uint32 * 6)(*before)
    now[0] = before[0] & ~_OVERRIDES  # effective; what is permitted stays, so that it can be had again
    assert libc.capset(header, now) == 0
    yield
    assert libc.capset(header, before) == 0
