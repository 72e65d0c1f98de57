"""Photos that show the very same picture: saved again, resized, made brighter, or the next frame of a still scene.

Two photos are near-duplicates when their 16 x 16 grey thumbnails correlate strongly (0.985 by default). Sixty-four
difference bits, the usual perceptual hash, were tried first: on an even background (products on white, steel) most
bits are noise, and at a distance of 4 bits 137 different motorbikes of Caltech101 and 226 steel surfaces of six classes
became one group each. A crop by more than a percent or a mirrored copy is not found.

Photos are searched as a k-d tree is, but many at a time: the photos are halved again and again, each half takes along
only those photos that are near enough to its bounding box, and the last halves are compared by one matrix product each.
That compares a small part of the pairs, and the smaller the more photos there are. No method has
time n log n on every input: photos within a distance, and those within it of these, are DBSCAN's clusters, and in three
dimensions or more these take n^(4/3) (Gan and Tao 2015, DBSCAN Revisited, by a conjecture of geometry).
The worst here are thumbnails of pure noise, which no coordinate parts.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import fft, sparse

__all__ = ["THUMBNAIL_BYTES", "groups_of", "thumbnail_of"]

_SIDE = 16
THUMBNAIL_BYTES = _SIDE * _SIDE
_FLAT = 2.0  # grey levels; a standard deviation below this is noise, and correlates with any other noise
_COARSE = 16  # coefficients compared first: of 50 million pairs of photos they leave some thousands
_FEW = 256  # rows that are no longer halved
_PART = 4096  # rows that so few are compared with at once
_PAIRS = 32_768  # compared at once
_ROUNDING = 1e-12  # a picture's correlation with itself is 1, but rounding may change its last bit
_COARSE_ROUNDING = 1e-5  # of float32 in sums of 16 products of at most 1


def thumbnail_of(grey: Image.Image) -> bytes:
    """The 16 x 16 grey thumbnail of an image of mode `L`, 256 bytes, row by row."""
    return grey.resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()


def groups_of(thumbnails: list[bytes], threshold: float) -> NDArray[np.int64]:
    """The group of near-duplicates of each photo; most groups have one photo.

    Groups are closed under resemblance: if a resembles b and b resembles c, all three are one group. The answer is that
    of comparing all pairs.

    Args:
        thumbnails: n of `thumbnail_of`.
        threshold: correlation, up to 1, from which two photos are near-duplicates.

    Returns:
        (n,) int64, the lowest row number in each photo's group.
    """
    n_photos = len(thumbnails)
    if n_photos == 0:
        return np.zeros(0, np.int64)
    # Frames of a still scene are often the same to the byte: each of them is compared once.
    number: dict[bytes, int] = {}
    same = np.asarray([number.setdefault(thumbnail, len(number)) for thumbnail in thumbnails])
    pixels = np.frombuffer(b"".join(number), np.uint8).reshape(-1, THUMBNAIL_BYTES)
    structured, spread = _structured(pixels)
    found = np.arange(len(pixels), dtype=np.int64)
    found[structured] = structured[_groups_of_rows(pixels[structured], spread[structured], threshold)]
    flat = np.ones(len(pixels), bool)
    flat[structured] = False
    own = np.arange(n_photos, dtype=np.int64)
    return np.where(flat[same], own, _first(found[same], own))


def _structured(pixels: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The rows that show more than noise, and of every row 256 times the length of its centred pixels / 16."""
    spread = np.empty(len(pixels))
    for start in range(0, len(pixels), _PART):  # a row takes 2 kB as float64
        exact = pixels[start : start + _PART].astype(np.float64)
        spread[start : start + _PART] = np.sqrt(THUMBNAIL_BYTES * np.square(exact).sum(1) - exact.sum(1) ** 2)
    return np.flatnonzero(spread >= _FLAT * THUMBNAIL_BYTES), spread


def _groups_of_rows(pixels: NDArray[np.uint8], spread: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """The first row of each row's group."""
    every = np.arange(len(pixels), dtype=np.int64)
    links = _Links(pixels, spread, threshold)
    coarse = _coarse(pixels, spread)
    half_squared = np.square(coarse).sum(1) / 2
    # Two thumbnails of correlation r, centred and of unit length, are sqrt(2 - 2 r) apart, and no further by fewer of
    # their coordinates.
    within = max(2 - 2 * threshold, 0.0) + _COARSE_ROUNDING
    todo = [(every, every)] if len(every) else []
    while todo:
        rows, others = todo.pop()
        if (links.group[rows] == links.group[rows[0]]).all():  # where all is alike, there is nothing left to join
            others = others[links.group[others] != links.group[rows[0]]]
        if len(rows) > _FEW:
            todo += _halves(coarse, rows, others, within)
            continue
        for start in range(0, len(others), _PART):
            part = others[start : start + _PART]
            least = half_squared[rows, None] + (half_squared[part] - within / 2)
            row, column = np.nonzero(coarse[rows] @ coarse[part].T >= least)
            links.add(rows[row], part[column])
    links.join()
    return links.group


def _halves(
    coarse: NDArray[np.float32], rows: NDArray[np.int64], others: NDArray[np.int64], within: float
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Both halves of the rows, each with those of the others that may be near to one of it.

    Args:
        coarse: (n, d) coordinates.
        rows: are halved where they are spread widest.
        others: what the rows are to be compared with; of the rows themselves each pair is kept by one half alone.
        within: square of the largest distance.
    """
    spread_widest = int(coarse[rows].std(0).argmax())
    middle = len(rows) // 2
    order = rows[np.argpartition(coarse[rows, spread_widest], middle)]
    lower, upper = order[:middle], order[middle:]
    in_lower = np.zeros(len(coarse), bool)
    in_lower[lower] = True
    found = []
    for half, candidates in ((upper, others[~in_lower[others]]), (lower, others)):
        low, high = coarse[half].min(0), coarse[half].max(0)
        along = coarse[candidates, spread_widest]
        reach = np.float32(within**0.5)
        candidates = candidates[(along >= low[spread_widest] - reach) & (along <= high[spread_widest] + reach)]
        beyond = coarse[candidates]
        beyond = np.maximum(np.maximum(low - beyond, beyond - high), 0)
        found.append((half, candidates[np.einsum("np,np->n", beyond, beyond) <= within]))
    return found


class _Links:
    """Rows that are joined where they correlate.

    Attributes:
        group: (n,) the first row of each row's group, as far as it is joined.
    """

    def __init__(self, pixels: NDArray[np.uint8], spread: NDArray[np.float64], threshold: float) -> None:
        self.group = np.arange(len(pixels), dtype=np.int64)
        self._pixels, self._spread, self._threshold = pixels, spread, threshold
        self._totals = pixels.sum(1, dtype=np.int64).astype(np.float64)
        self._linked: list[NDArray[np.int64]] = []
        self._n_linked = 0

    def add(self, row: NDArray[np.int64], column: NDArray[np.int64]) -> None:
        """Link those pairs of rows that correlate by the threshold or more."""
        for part in range(0, len(row), _PAIRS):
            pair = np.stack([row[part : part + _PAIRS], column[part : part + _PAIRS]])
            first, second = pair = pair[:, self.group[pair[0]] != self.group[pair[1]]]
            # Sums of 256 products of bytes are whole numbers that float32 holds exactly, in whatever order they are
            # added up, so that the groups are the same on every processor.
            products = np.einsum(
                "np,np->n", self._pixels[first].astype(np.float32), self._pixels[second].astype(np.float32)
            )
            covariance = THUMBNAIL_BYTES * products.astype(np.float64) - self._totals[first] * self._totals[second]
            alike = covariance >= (self._threshold - _ROUNDING) * self._spread[first] * self._spread[second]
            self._linked.append(pair[:, alike])
            self._n_linked += int(alike.sum())
            # Where all is alike, what is joined early need not be compared.
            if self._n_linked > len(self.group) // 4:
                self.join()

    def join(self) -> None:
        """Bring the groups up to date with the links."""
        if self._linked:
            row, column = self.group[np.concatenate(self._linked, axis=1)]
            links = sparse.coo_matrix((np.ones(len(row), np.int8), (row, column)), shape=(len(self.group),) * 2)
            _, component = sparse.csgraph.connected_components(links, directed=False)
            self.group = _first(component[self.group].astype(np.int64), np.arange(len(self.group)))
            self._linked.clear()
            self._n_linked = 0


def _coarse(pixels: NDArray[np.uint8], spread: NDArray[np.float64]) -> NDArray[np.float32]:
    """(n, 17): the lowest cosine coefficients of each thumbnail, centred and of unit length, and the length of the rest."""
    waves = fft.dct(np.eye(_SIDE), norm="ortho", axis=0)
    lowest = sorted((a * a + b * b, a, b) for a in range(_SIDE) for b in range(_SIDE) if a or b)[:_COARSE]
    basis = np.stack([np.outer(waves[a], waves[b]).ravel() for _, a, b in lowest], axis=1)
    # Every wave but the constant one sums to zero: what is centred and what is not has the same coefficients.
    coarse = np.empty((len(pixels), _COARSE + 1), np.float32)
    for start in range(0, len(pixels), _PART):
        part = slice(start, start + _PART)
        coefficients = pixels[part] @ basis * (_SIDE / spread[part])[:, None]
        coarse[part, :_COARSE] = coefficients
        coarse[part, _COARSE] = np.sqrt(np.maximum(1 - np.square(coefficients).sum(1), 0.0))
    return coarse


def _first(group: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each row the lowest of `rows` that has its group."""
    lowest = np.full(int(group.max()) + 1, np.iinfo(np.int64).max)
    np.minimum.at(lowest, group, rows)
    return np.asarray(lowest[group])
