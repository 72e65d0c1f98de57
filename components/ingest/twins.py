"""Finds new photos that show the same picture as an existing one, by the measure of `near_duplicates`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.ingest.near_duplicates import THUMBNAIL_BYTES

__all__ = ["Twin", "find_twins", "near_any"]

_FLAT = 2.0  # grey levels; a standard deviation below this is noise
_BLOCK_ROWS = 4096


@dataclass(frozen=True)
class Twin:
    """An existing photo that a new one nearly equals.

    Attributes:
        path: relative to the photo folder; empty if both photos came together.
        class_name: its class; empty if both photos came together.
        photo: SHA-256 of its bytes.
    """

    path: str
    class_name: str
    photo: str


def find_twins(thumbnails: Mapping[str, bytes], manifest: Path, threshold: float) -> dict[str, Twin]:
    """For each photo the most similar one, if the two are near-duplicates.

    Args:
        thumbnails: `thumbnail_of` each photo by its SHA-256, in the order in which they came.
        manifest: table of the photo folder, as `ingest` writes it; the file need not exist.
        threshold: correlation, up to 1, from which two photos are near-duplicates.
    """
    names = list(thumbnails)
    if not names:
        return {}
    mine = _centred(list(thumbnails.values()))
    best = np.full(len(names), threshold)
    found: dict[str, Twin] = {}
    for number in range(1, len(names)):
        alike = mine[:number] @ mine[number]
        if alike.max() >= best[number]:
            best[number] = alike.max()
            found[names[number]] = Twin("", "", names[int(alike.argmax())])
    if not manifest.is_file():
        return found
    table = pq.read_table(manifest, columns=["id", "path", "class", "thumbnail"])
    for start in range(0, len(table), _BLOCK_ROWS):
        block = table.slice(start, _BLOCK_ROWS)
        ids = np.asarray(block["id"].to_pylist())
        alike = mine @ _centred(block["thumbnail"].to_pylist()).T
        alike[np.asarray(names)[:, None] == ids[None, :]] = -1.0  # the photo itself
        for row in np.flatnonzero(alike.max(1) >= best):
            best[row] = alike[row].max()
            other = block.slice(int(alike[row].argmax()), 1).to_pylist()[0]
            found[names[row]] = Twin(other["path"], other["class"], other["id"])
    return found


def near_any(thumbnails: Mapping[str, bytes], others: Sequence[bytes], threshold: float) -> set[str]:
    """The photos that nearly equal one of the others.

    Args:
        thumbnails: `thumbnail_of` each photo by its SHA-256.
        others: `thumbnail_of` each of the others.
        threshold: correlation, up to 1, from which two photos are near-duplicates.
    """
    names, found = np.asarray(list(thumbnails)), set()
    if not len(others):
        return set()
    theirs = _centred(list(others)).T
    for start in range(0, len(names), _BLOCK_ROWS):
        block = names[start : start + _BLOCK_ROWS]
        alike = _centred([thumbnails[name] for name in block]) @ theirs
        found.update(block[alike.max(1) >= threshold].tolist())
    return found


def _centred(thumbnails: list[bytes]) -> NDArray[np.float64]:
    """(n, 256) rows whose inner products are correlations; zero for a photo without any structure."""
    pixels = np.frombuffer(b"".join(thumbnails), np.uint8).reshape(-1, THUMBNAIL_BYTES).astype(np.float64)
    pixels -= pixels.mean(1, keepdims=True)
    lengths = np.linalg.norm(pixels, axis=1, keepdims=True)
    pixels[lengths[:, 0] < _FLAT * THUMBNAIL_BYTES**0.5] = 0.0
    pixels /= np.maximum(lengths, 1.0)
    return pixels
