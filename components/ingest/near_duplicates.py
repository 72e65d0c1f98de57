"""Photos that show the very same picture: saved again, resized, made brighter, or the next frame of a still scene.

Two photos are near-duplicates when their 16 x 16 grey thumbnails correlate strongly (0.985 by default). Sixty-four
difference bits, the usual perceptual hash, were tried first: on an even background (products on white, steel) most
bits are noise, and at a distance of 4 bits 137 different motorbikes of Caltech101 and 226 steel surfaces of six classes
became one group each. A crop by more than a percent or a mirrored copy is not found.
"""

import numpy as np
from PIL import Image
from scipy import sparse

__all__ = ["THUMBNAIL_BYTES", "groups_of", "thumbnail_of"]

_SIDE = 16
THUMBNAIL_BYTES = _SIDE * _SIDE
_FLAT = 2.0  # grey levels; a standard deviation below this is noise, and correlates with any other noise
_BLOCK_ROWS = 512
_ROUNDING = 1e-12  # a picture's correlation with itself is 1, but rounding may change its last bit


def thumbnail_of(grey: Image.Image) -> bytes:
    """The 16 x 16 grey thumbnail of an image of mode `L`, 256 bytes, row by row."""
    return grey.resize((_SIDE, _SIDE), Image.Resampling.BOX).tobytes()


def groups_of(thumbnails: list[bytes], threshold: float) -> np.ndarray:
    """The group of near-duplicates of each photo; most groups have one photo.

    Groups are closed under resemblance: if a resembles b and b resembles c, all three are one group. All pairs are
    compared, in blocks: 0.6 s for 8,000 photos, growing with the square.

    Args:
        thumbnails: n of `thumbnail_of`.
        threshold: correlation, up to 1, from which two photos are near-duplicates.

    Returns:
        (n,) int64, the lowest row number in each photo's group.
    """
    n_photos = len(thumbnails)
    if n_photos == 0:
        return np.zeros(0, np.int64)
    pixels = np.frombuffer(b"".join(thumbnails), np.uint8).reshape(n_photos, THUMBNAIL_BYTES).astype(np.float32)
    # 256 products of bytes sum to less than 2 ** 24: float32 holds every sum exactly, in whatever order it is added
    # up, so that the groups are the same on every processor.
    totals = pixels.sum(1).astype(np.float64)
    spread = np.sqrt(THUMBNAIL_BYTES * np.square(pixels).sum(1).astype(np.float64) - totals**2)
    spread[spread < _FLAT * THUMBNAIL_BYTES] = np.inf
    rows, columns = [], []
    for start in range(0, n_photos, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        products = (pixels[block] @ pixels[start:].T).astype(np.float64)
        covariance = THUMBNAIL_BYTES * products - totals[block, None] * totals[None, start:]
        alike = covariance >= (threshold - _ROUNDING) * spread[block, None] * spread[None, start:]
        row, column = np.nonzero(alike)
        rows.append(row + start)
        columns.append(column + start)
    row, column = np.concatenate(rows), np.concatenate(columns)
    links = sparse.coo_matrix((np.ones(len(row), np.int8), (row, column)), shape=(n_photos, n_photos))
    _, component = sparse.csgraph.connected_components(links, directed=False)
    first = np.full(component.max() + 1, n_photos, np.int64)
    np.minimum.at(first, component, np.arange(n_photos))
    return np.asarray(first[component])
