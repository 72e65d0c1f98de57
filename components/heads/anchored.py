"""Class means learnt from unlabelled photos too, anchored by the labelled ones: expectation-maximisation over a pool.

Without an anchor a pool that holds few of the classes drags the others' means into them (TransCLIP's way: 16 points lost
at one photo per class; docs/experiments/pool.md). Here the labelled photos count several times, and each photo of the
pool pulls as strongly as its class is certain. The photos farthest from a class do not pull, since photos of unknown
classes lie there. A pool that seems to lack most of the classes, or some of a few, is trusted less, down to not at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.heads.gaussian import TwoCovariance, means_a_posteriori, shrunk_whitening

__all__ = ["Anchored", "learn_from_pool"]

# Chosen on photos and drawn embeddings that no published table is measured on: docs/experiments/pool.md.
_ANCHOR = 4.0  # a labelled photo counts like so many of the pool's,
_ANCHOR_SHOTS = 12.0  # and more with more labelled photos: their errors shrink, a pool's stay
_SCALE = 20.0  # cosines times this are logits
_ROUNDS = 10
_SURENESS = 0.5  # a photo pulls with its highest probability to this power
_FAR_SHARE = 0.2  # this share of the photos taken for a class, the farthest from its mean, does not pull
_SCATTER_SHARE = 0.5  # weight of a pool photo in the spread within classes; less if more photos are labelled
_PHOTOS_A_CLASS = 12.0  # a pool with fewer photos per class is trusted proportionally less
_COVERAGE = (0.25, 0.55)  # share of the classes that a pool seems to hold: from no trust to full trust
_FEW_CLASSES = 5  # a pool that seems to hold no more classes than this, or all but one, is not trusted
_STEP = 0.1  # from no trust to full trust it is at least this share of the classes
_COVERAGE_SPREAD = 4.0
_BLOCK = 8192  # photos of the pool that are worked on at once
_LEAST_TRUST = 0.25  # less counts as none: it gained nothing, and lost a point if the pool held few classes


@dataclass(frozen=True)
class Anchored:
    """The model of labelled photos and a pool.

    Attributes:
        gaussian: of the form that `fit_two_covariance` gives; equal to its result if trust is 0.
        trust: 0 to 1, the weight that the pool was given.
        responsibilities: (p, C) float32: how much each photo of the pool pulled at each class; 0 if it was not sure.
    """

    gaussian: TwoCovariance
    trust: float
    responsibilities: Tensor


@dataclass(frozen=True)
class _Sums:
    """Labelled and unlabelled rows as a maximisation step needs them; the pool is read block by block.

    A hundred thousand photos are 200 MB in single precision; sums over them are in double precision.
    """

    rows: Tensor  # (n, d) float64
    targets: Tensor  # (n, C) float64, one 1 a row
    pool: Tensor  # (p, d) float32

    def pulled(self, responsibilities: Tensor, anchor: float) -> tuple[Tensor, Tensor]:
        """Sums (C, d) and weights (C,) over labelled and pool rows; a labelled row counts `anchor` times."""
        sums = anchor * (self.targets.T @ self.rows)
        for block in _blocks(self.pool):
            sums += (responsibilities[block].T @ self.pool[block]).double()
        return sums, anchor * self.targets.sum(0) + responsibilities.sum(0, dtype=torch.float64)

    def scatter(self, share: float, responsibilities: Tensor) -> tuple[Tensor, float]:
        """(d, d) sum of squares about the common class means, and how many rows it rests on less the classes.

        A pool photo counts with `share` of its weight.
        """
        sums, weights = self.pulled(share * responsibilities, 1.0)
        about_zero, pull = self.rows.T @ self.rows, share * responsibilities.sum(1, keepdim=True)
        if pull.any():
            for block in _blocks(self.pool):
                photos = self.pool[block].double()
                about_zero += (photos * pull[block]).T @ photos
        return about_zero - (sums / weights[:, None]).T @ sums, float(weights.sum()) - len(weights)

    def total_scatter(self, share: float, responsibilities: Tensor) -> tuple[Tensor, float]:
        """The trace of `scatter` without its matrix, of rows of unit length."""
        sums, weights = self.pulled(share * responsibilities, 1.0)
        return weights.sum() - (sums.square().sum(1) / weights).sum(), float(weights.sum()) - len(weights)


def _blocks(rows: Tensor) -> list[slice]:
    return [slice(start, start + _BLOCK) for start in range(0, len(rows), _BLOCK)]


def learn_from_pool(
    embedding: Tensor, labels: Tensor, n_classes: int, pool: Tensor, generic: Tensor | None
) -> Anchored:
    """Two passes of ten rounds of EM on cosines in whitened space; the second pass whitens by the first one's result.

    Args:
        embedding: (n, d), one row a labelled image, unit length.
        labels: (n,) int64, every class present.
        n_classes: C.
        pool: (p, d), unit length, photos of any class or of none.
        generic: see `fit_two_covariance`.
    """
    rows, unlabelled = embedding.double(), pool.float()
    targets = torch.nn.functional.one_hot(labels, n_classes).double()
    whole = _Sums(rows, targets, unlabelled)
    firmer = 1 + (len(rows) / n_classes / _ANCHOR_SHOTS) ** 2
    anchor, scatter_share = _ANCHOR * firmer, _SCATTER_SHARE / firmer**2
    responsibilities, trust = torch.zeros(len(pool), n_classes), -1.0
    for _ in range(2):
        scatter, freedom = whole.scatter(scatter_share, responsibilities)
        if freedom <= 1e-9:
            scatter = torch.zeros_like(scatter)
        whitening = shrunk_whitening(scatter / max(freedom, 1.0), max(freedom, 0.0), generic)
        sums, weights = whole.pulled(responsibilities, anchor)
        centre = (sums / weights[:, None]).mean(0)
        whitened = _Sums(_whiten(rows, centre, whitening), targets, _whiten_pool(unlabelled, centre, whitening))
        if trust < 0:
            trust = _trust(whitened, responsibilities)
        if trust == 0:
            break
        responsibilities = _rounds(whitened, responsibilities, trust, anchor)

    sums, weights = whitened.pulled(responsibilities, anchor)
    scatter, freedom = whitened.total_scatter(scatter_share, responsibilities)
    within = scatter / (max(freedom, 1.0) * rows.shape[1]) if freedom > 1e-9 else None
    # Equal class priors: a class's share of the pool says nothing of its share of future photos.
    shots = targets.sum(0) + responsibilities.sum(dtype=torch.float64) / (n_classes * anchor)
    gaussian = means_a_posteriori(sums / weights[:, None], shots, within, centre, whitening)
    return Anchored(gaussian, trust, responsibilities)


def _whiten(rows: Tensor, centre: Tensor, whitening: Tensor) -> Tensor:
    return normalize((rows - centre) @ whitening, dim=1)


def _whiten_pool(pool: Tensor, centre: Tensor, whitening: Tensor) -> Tensor:
    whitened = torch.empty(len(pool), whitening.shape[1])
    for block in _blocks(pool):
        whitened[block] = _whiten(pool[block].double(), centre, whitening).float()
    return whitened


def _cosines(pool: Tensor, means: Tensor) -> Tensor:
    """(p, C) float32."""
    return pool @ means.T.float()


def _rounds(whitened: _Sums, responsibilities: Tensor, trust: float, anchor: float) -> Tensor:
    means = normalize(whitened.pulled(responsibilities, anchor)[0], dim=1)
    for _ in range(_ROUNDS):
        responsibilities = _cosines(whitened.pool, means)
        far = _far(responsibilities)
        for block in _blocks(responsibilities):  # in place
            sure = torch.softmax(_SCALE * responsibilities[block], 1)
            pull = trust * sure.max(1, keepdim=True).values ** _SURENESS
            responsibilities[block] = sure * torch.where(far[block], 0.0, pull)
        means = normalize(whitened.pulled(responsibilities, anchor)[0], dim=1)
    return responsibilities


def _far(cosines: Tensor) -> Tensor:
    """(p, 1) bool: of the photos taken for each class, the fifth that is farthest from its mean.

    Photos of other classes lie there. If the pool has none of them, little is lost: the farthest photos add little.
    """
    nearest, classes = cosines.max(1)
    order = torch.argsort(nearest, stable=True)
    order = order[torch.argsort(classes[order], stable=True)]  # by class, then by cosine
    counts = torch.bincount(classes, minlength=cosines.shape[1])
    place = torch.arange(len(order)) - (counts.cumsum(0) - counts)[classes[order]]
    far = torch.empty(len(order), dtype=torch.bool)
    far[order] = place + 0.5 < _FAR_SHARE * counts[classes[order]]
    return far[:, None]


def _trust(whitened: _Sums, nothing: Tensor) -> float:
    """The weight of a pool, 0 to 1, by its size and by how many of the classes it seems to hold.

    The number of classes is the exponential of the entropy of the mean answer. Of few classes a pool must seem to hold
    nearly all: noise alone spreads photos of four classes over six.
    """
    n_photos, n_classes = nothing.shape
    if n_photos == 0 or n_classes < 2:
        return 0.0
    cosines = _cosines(whitened.pool, normalize(whitened.pulled(nothing, 1.0)[0], dim=1))
    spread = float(cosines.std(1, correction=0).mean())
    mean = torch.softmax(_COVERAGE_SPREAD / max(spread, 1e-9) * cosines, 1).double().mean(0)
    held = float((-torch.special.xlogy(mean, mean).sum()).exp()) / n_classes
    low = max(_COVERAGE[0], min(_FEW_CLASSES, n_classes - 1) / n_classes)
    high = max(_COVERAGE[1], low + _STEP)
    trust = min(1.0, n_photos / (_PHOTOS_A_CLASS * n_classes)) * min(1.0, max(0.0, (held - low) / (high - low)))
    return trust if trust >= _LEAST_TRUST else 0.0
