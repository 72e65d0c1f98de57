"""Ranks the photos of a pool by how much a label is worth: uncertain, unlike each other, and like many others.

One measure covers all three: a labelled photo informs about the photos that resemble it, and this is worth most where
the answers are least sure. Photos are taken greedily, each time the one that adds most to what the earlier ones inform
about (facility location, weighted by uncertainty; Nemhauser, Wolsey and Fisher 1978 for the greedy bound). If nothing
is labelled, all photos are equally uncertain, and the most typical ones come first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["RankedPhoto", "rank"]

Rows = NDArray[np.float32]

_POWER = 4  # power of the cosine of two centred embeddings: a cosine below a half then hardly counts
_CANDIDATES = 6000  # only so many of the least sure photos are candidates
_TOLD = 4000  # a sample of so many photos represents the pool
_OWN = 1.0  # weight of a photo's own uncertainty beside what it informs about others
_SURE = 1e-3


@dataclass(frozen=True)
class RankedPhoto:
    """A photo's place in the list.

    Attributes:
        row: of the pool's embeddings.
        uncertainty: 0 to 1: 1 minus the difference of the two highest probabilities.
        typical: 0 to 1, how much of the pool resembles it, relative to the most typical photo of the list.
    """

    row: int
    uncertainty: float
    typical: float


def rank(
    embeddings: Rows,
    probabilities: Rows | None,
    labelled: Rows | None,
    top: int,
    *,
    seed: int = 0,
) -> list[RankedPhoto]:
    """The `top` photos, the one to label first at the front.

    A photo informs about another by the fourth power of the cosine of their embeddings, after subtracting the pool's
    mean.

    Args:
        embeddings: (p, d), unit length, of the pool.
        probabilities: (p, C) calibrated answers; None if nothing answers yet.
        labelled: (n, d), unit length, of photos that have a label; None if there are none.
        top: how many.
        seed: draws the photos that represent a pool of more than 4,000.
    """
    n_photos = len(embeddings)
    if n_photos == 0:
        return []
    uncertainty = _uncertainty(probabilities, n_photos)
    centre = embeddings.mean(0)
    random = np.random.default_rng(seed)
    told = np.arange(n_photos) if n_photos <= _TOLD else np.sort(random.choice(n_photos, _TOLD, replace=False))
    candidates = np.arange(n_photos)
    if n_photos > _CANDIDATES:
        # the order in which photos came must not decide between equals
        order = np.lexsort((random.permutation(n_photos), -uncertainty))
        candidates = np.sort(order[:_CANDIDATES])
    about = _unit(embeddings[told] - centre)
    likeness = _likeness(_unit(embeddings[candidates] - centre), about)  # (candidates, sample)
    known = np.zeros(len(told), np.float32)
    if labelled is not None and len(labelled):
        known = _likeness(about, _unit(labelled - centre)).max(1)
    typical = likeness.mean(1)
    weights = uncertainty[told]
    own = uncertainty[candidates] ** _OWN
    found: list[int] = []
    left = np.ones(len(candidates), bool)
    for _ in range(min(top, len(candidates))):
        gain = np.maximum(likeness - known, 0.0) @ weights * own
        gain[~left] = -1.0
        best = int(gain.argmax())
        left[best] = False
        found.append(best)
        known = np.maximum(known, likeness[best])
    most = max(float(typical[found].max()), 1e-12)
    return [
        RankedPhoto(int(candidates[each]), float(uncertainty[candidates[each]]), float(typical[each]) / most)
        for each in found
    ]


def _uncertainty(probabilities: Rows | None, n_photos: int) -> Rows:
    if probabilities is None or probabilities.shape[1] < 2:
        return np.ones(n_photos, np.float32)
    two = np.partition(probabilities, -2, axis=1)[:, -2:]
    unsure: Rows = np.maximum(1.0 - (two[:, 1] - two[:, 0]), _SURE).astype(np.float32)
    return unsure


def _unit(rows: Rows) -> Rows:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Rows = (rows / np.maximum(lengths, 1e-9)).astype(np.float32)
    return scaled


def _likeness(rows: Rows, others: Rows) -> Rows:
    alike: Rows = np.maximum(rows @ others.T, 0.0)
    return np.square(np.square(alike, out=alike), out=alike)
