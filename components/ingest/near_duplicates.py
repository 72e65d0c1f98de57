"""Photos that show the very same picture: saved again, resized, made brighter, or the next frame of a still scene.

Two photos are near-duplicates when their 16 x 16 grey thumbnails correlate strongly (0.985 by default). Sixty-four
difference bits, the usual perceptual hash, were tried first: on an even background (products on white, steel) most
bits are noise, and at a distance of 4 bits 137 different motorbikes of Caltech101 and 226 steel surfaces of six classes
became one group each. A crop by more than a percent or a mirrored copy is not found.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, sparse

__all__ = ["THUMBNAIL_BYTES", "groups_of", "thumbnail_of"]

_SIDE = 16
THUMBNAIL_BYTES = _SIDE * _SIDE
_FLAT = 2.0  # grey levels; a standard deviation below this is noise, and correlates with any other noise
_COARSE = 16  # coefficients compared first: of 50 million pairs of photos they leave some thousands
_BLOCK_ROWS = 512
_PAIRS = 250_000  # compared at once
_ROUNDING = 1e-12  # a picture's correlation with itself is 1, but rounding may change its last bit
_COARSE_ROUNDING = 1e-5  # of float32 in sums of 16 products of at most 1


def thumbnail_of(grey: Image.Image) -> bytes:
    """The 16 x 16 grey thumbnail of an image of mode `L`, 256 bytes, row by row."""
    return grey.resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()


def groups_of(thumbnails: list[bytes], threshold: float) -> NDArray[np.int64]:
    """The group of near-duplicates of each photo; most groups have one photo.

    Groups are closed under resemblance: if a resembles b and b resembles c, all three are one group. The answer is that
    of comparing all pairs. What is compared still grows with the square of the photos, but a small part of it.

    Args:
        thumbnails: n of `thumbnail_of`.
        threshold: correlation, up to 1, from which two photos are near-duplicates.

    Returns:
        (n,) int64, the lowest row number in each photo's group.
    """
    n_photos = len(thumbnails)
    if n_photos == 0:
        return np.zeros(0, np.int64)
    photos = np.frombuffer(b"".join(thumbnails), np.uint8).reshape(n_photos, THUMBNAIL_BYTES)
    # Frames of a still scene are often the same to the byte: each of them is compared once.
    pixels, same = np.unique(photos, axis=0, return_inverse=True)
    structured, spread = _structured(pixels)
    found = np.arange(len(pixels), dtype=np.int64)
    found[structured] = structured[_groups_of_rows(pixels[structured], spread[structured], threshold)]
    flat = np.ones(len(pixels), bool)
    flat[structured] = False
    own = np.arange(n_photos, dtype=np.int64)
    return np.where(flat[same], own, _first(found[same], own))


def _structured(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rows that show more than noise, and of every row 256 times the length of its centred pixels / 16."""
    exact = pixels.astype(np.float64)
    totals = exact.sum(1)
    spread = np.sqrt(THUMBNAIL_BYTES * np.square(exact).sum(1) - totals**2)
    return np.flatnonzero(spread >= _FLAT * THUMBNAIL_BYTES), spread


def _groups_of_rows(pixels: NDArray[np.uint8], spread: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """The first row of each row's group."""
    group = np.arange(len(pixels), dtype=np.int64)
    totals = pixels.sum(1, dtype=np.int64).astype(np.float64)
    linked: list[NDArray[np.int64]] = []
    for row, column in _near(_coarse(pixels, spread), threshold):
        for part in range(0, len(row), _PAIRS):
            pair = np.stack([row[part : part + _PAIRS], column[part : part + _PAIRS]])
            first, second = pair = pair[:, group[pair[0]] != group[pair[1]]]
            # Sums of 256 products of bytes are whole numbers that float32 holds exactly, in whatever order they are
            # added up, so that the groups are the same on every processor.
            products = np.einsum("np,np->n", pixels[first].astype(np.float32), pixels[second].astype(np.float32))
            covariance = THUMBNAIL_BYTES * products.astype(np.float64) - totals[first] * totals[second]
            linked.append(pair[:, covariance >= (threshold - _ROUNDING) * spread[first] * spread[second]])
            # Where all is alike, what is joined early need not be compared.
            if sum(pairs.shape[1] for pairs in linked) > len(pixels) // 4:
                group = _joined(group, linked)
                linked.clear()
    return _joined(group, linked)


def _near(coarse: NDArray[np.float32], threshold: float) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs of rows that may correlate by the threshold or more, in parts: what their coarse coefficients do not part.

    Two thumbnails of correlation r, centred and of unit length, are sqrt(2 - 2 r) apart, and no further in any of their
    coordinates. Rows are gone through in the order of the first of these, so that most are never compared.
    """
    within = max(2 - 2 * threshold, 0.0)
    reach = within**0.5 + _COARSE_ROUNDING
    order = np.argsort(coarse[:, 0], kind="stable")
    coarse = coarse[order]
    squared = np.square(coarse).sum(1)
    for start in range(0, len(coarse), _BLOCK_ROWS):
        block = coarse[start : start + _BLOCK_ROWS]
        end = int(np.searchsorted(coarse[:, 0], block[-1, 0] + reach, side="right"))
        least = (squared[start : start + _BLOCK_ROWS, None] - within - _COARSE_ROUNDING) / 2 + squared[start:end] / 2
        row, column = np.nonzero(block @ coarse[start:end].T >= least)
        later = row < column
        yield order[row[later] + start], order[column[later] + start]


def _coarse(pixels: NDArray[np.uint8], spread: NDArray[np.float64]) -> NDArray[np.float32]:
    """The lowest cosine coefficients of each thumbnail, centred and of unit length."""
    waves = fft.dct(np.eye(_SIDE), norm="ortho", axis=0)
    lowest = sorted((a * a + b * b, a, b) for a in range(_SIDE) for b in range(_SIDE) if a or b)[:_COARSE]
    basis = np.stack([np.outer(waves[a], waves[b]).ravel() for _, a, b in lowest], axis=1)
    # Every wave but the constant one sums to zero: what is centred and what is not has the same coefficients.
    return np.asarray(pixels @ basis * (_SIDE / spread)[:, None], np.float32)


def _joined(group: NDArray[np.int64], linked: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """The groups, each named by its first row, once the linked pairs of rows are in one."""
    if not linked:
        return group
    row, column = group[np.concatenate(linked, axis=1)]
    links = sparse.coo_matrix((np.ones(len(row), np.int8), (row, column)), shape=(len(group),) * 2)
    _, component = sparse.csgraph.connected_components(links, directed=False)
    return _first(component[group].astype(np.int64), np.arange(len(group)))


def _first(group: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each row the lowest of `rows` that has its group."""
    lowest = np.full(int(group.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(lowest, group, rows)
    return np.asarray(lowest[group])
