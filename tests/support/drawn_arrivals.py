"""Photos of colours that a story drops into an inbox."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import draw_photo

TEAL, LIME = 128, 75
"""Hues that nobody trained on."""


_number = iter(range(5000, 10**6))


def draw(folder: Path, hue: int, photos: int = 4) -> list[Path]:
    """Photos of a colour, all different from any before."""
    paths = [folder / f"{number}.jpg" for number in range(photos)]
    for path in paths:
        draw_photo(path, next(_number), hue=hue)
    return paths


def cut_off(path: Path) -> None:
    draw_photo(path, next(_number), hue=TEAL)
    path.write_bytes(path.read_bytes()[:400])
