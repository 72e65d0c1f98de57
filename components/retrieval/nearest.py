"""The rows nearest to a query among unit vectors: brute force, in the order that sorting all rows would give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["nearest", "similarities"]

_ROWS_AT_ONCE = 4096  # rows per block in double precision; there are many only if many rows are almost equal
_LONGEST_ROW = 1.01  # unit vectors, stored in single precision


def nearest(
    rows: NDArray[np.float32], query: NDArray[np.float32], top: int
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """The `top` rows of the highest similarity, most similar first; of equal ones the earlier row first.

    The result equals that of sorting `similarities`. A first product in single precision excludes the rows that cannot
    be among them: its error is at most `d u / (1 - d u)` times both lengths, for any order of summation (Higham,
    "Accuracy and Stability of Numerical Algorithms", section 3.1; `u` half a unit in the last place). The rest is
    compared in double precision, in which equal rows have equal similarities at any place.

    Args:
        rows: (n, d) float32, unit length.
        query: (d,) float32, unit length.
        top: at least 1; if there are fewer rows, all are returned.

    Returns:
        Row numbers, and their similarities: cosines, -1 to 1.
    """
    n, d = rows.shape
    candidates = np.arange(n)
    if n > top:
        rough = rows @ query
        error = d * np.finfo(np.float32).eps / 2
        error = error / (1 - error) * _LONGEST_ROW * float(np.linalg.norm(query.astype(np.float64)))
        # In double precision: rounded to single, the bound could move.
        last = float(rough[np.argpartition(rough, n - top)[n - top]])
        candidates = np.flatnonzero(rough >= np.nextafter(np.float32(last - 2 * error), np.float32(-np.inf)))
    found = similarities(rows, query, candidates)
    order = np.argsort(-found, kind="stable")[:top]
    return candidates[order], found[order]


def similarities(
    rows: NDArray[np.float32], query: NDArray[np.float32], chosen: NDArray[np.intp]
) -> NDArray[np.float64]:
    """The chosen rows' products with the query, summed in double precision, in one order for every row.

    A library's product would be as exact, but gives equal rows at different places different last bits.
    """
    wide = query.astype(np.float64)
    found = np.empty(len(chosen))
    for start in range(0, len(chosen), _ROWS_AT_ONCE):
        part = chosen[start : start + _ROWS_AT_ONCE]
        found[start : start + len(part)] = (rows[part] * wide).sum(1)
    return found
