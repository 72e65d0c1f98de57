"""A class as the mean of its whitened photos, and the weights of that mean and the name, learnt on the known classes.

The known classes play the new ones: half of them at a time are judged by prototypes of as few photos as the arrival
has, whitened by the covariance of the other half. A covariance that has learnt from a class makes its photos look
closer together than future ones will be, and so is too optimistic.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.heads.gaussian import class_means
from components.heads.pooling import log_loss, pool_weights, provable_weights
from components.liteembed.gaussian import KnownGaussian, fit_known_gaussian

__all__ = ["Loudness", "Rehearsal", "Whitening", "best_shift", "rehearse"]

_PRIOR = 15.0  # prior weight of a prototype
_MOST_ROUNDS = 4
_MOST_CASTS = 16


@dataclass(frozen=True)
class Whitening:
    """The whitening of the known photos' scatter.

    Attributes:
        centre: (d,) float64, mean of the known class means.
        matrix: (d, d) float64, a root of the precision; any other root differs by a rotation, which changes no
            similarity.
        length: of a whitened photo, on average; prototypes have length 1.
    """

    centre: Tensor
    matrix: Tensor
    length: float

    @classmethod
    def of(cls, gaussian: KnownGaussian, embeddings: Tensor) -> Whitening:
        """The whitening of a covariance; `length` is measured on these photos (n, d)."""
        matrix = torch.linalg.cholesky(gaussian.precision)
        length = ((embeddings.double() - gaussian.centre) @ matrix).norm(dim=1).mean()
        return cls(gaussian.centre, matrix, max(float(length), 1e-9))

    def whiten(self, embeddings: Tensor) -> Tensor:
        """(n, d) float64."""
        return (embeddings.double() - self.centre) @ self.matrix

    def prototypes(self, embeddings: Tensor, labels: Tensor, n_classes: int) -> Tensor:
        """(k, d) float64, unit length: means of whitened photos of unit length; every class has one."""
        return normalize(class_means(normalize(self.whiten(embeddings), dim=1), labels, n_classes), dim=1)

    def rows(self, prototypes: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (k, d) and offsets (k,), float64: `<x, weights> + offset` is the likeness to the prototype, about -1 to 1."""
        weights = prototypes @ self.matrix.T / self.length
        return weights, -weights @ self.centre


@dataclass(frozen=True)
class Loudness:
    """The score of a new class: `photos * likeness to its prototype + name * logit_scale <x, text> + level`.

    Attributes:
        photos: weight of the prototype.
        name: weight of the words; 0 without words.
        level: aligns the score with the known classes' live logits, for as many new classes as the arrival has.
        gain: nats per photo by which prototype and name are better than the name alone; infinite without words.
    """

    photos: float
    name: float
    level: float
    gain: float


@dataclass(frozen=True)
class Rehearsal:
    """Scores of known photos whose classes play new ones.

    Attributes:
        rows: (m,) int64, which known photos; a photo may come several times.
        likeness: (m, C) float32, to prototypes of a few photos of each known class; a prototype never includes the
            photo itself.
    """

    rows: Tensor
    likeness: Tensor

    def loudness(self, words: Tensor | None, live: Tensor, labels: Tensor, *, n_new: int, balance: float) -> Loudness:
        """Weights with the lowest log-loss, and the level with the lowest log-loss for `n_new` new classes.

        Args:
            words: (n, C) `logit_scale <x, text>` of all known photos; None without words.
            live: (n, C) the known classes' calibrated logits of them, held out if possible.
            labels: (n,) int64.
            n_new: classes of the arrival.
            balance: see `EmbeddingSettings`.
        """
        rows, mine = self.rows, labels[self.rows]
        n_photos = len(rows.unique())
        if words is None:
            (photos,) = provable_weights([self.likeness], mine, [_PRIOR], n_photos)
            name, gain, scores = 0.0, float("inf"), photos * self.likeness
        else:
            said = words[rows]
            (alone,) = pool_weights([said], mine, [1.0], strength=1.0)
            photos, name = provable_weights([self.likeness, said], mine, [_PRIOR, 1.0], n_photos)
            scores = photos * self.likeness + name * said
            gain = log_loss(alone * said, mine) - log_loss(scores, mine) if len(mine) else 0.0
        level = _level(scores, live[rows], mine, n_new, balance) if len(mine) else 0.0
        return Loudness(photos, name, level, gain)


def rehearse(embeddings: Tensor, labels: Tensor, n_classes: int, covariance: Tensor | None, shots: int) -> Rehearsal:
    """Prototypes of `shots` photos per class in turns; of fewer if a class has fewer than twice as many.

    Args:
        embeddings: (n, d) of the known photos.
        labels: (n,) int64, every class present.
        n_classes: C.
        covariance: the backbone's generic one, or None.
        shots: photos per class of the arrival.
    """
    counts = torch.bincount(labels, minlength=n_classes)[labels]
    place = torch.empty_like(labels)
    for label in range(n_classes):
        mine = torch.nonzero(labels == label).flatten()
        place[mine] = torch.arange(len(mine))
    each = torch.minimum(torch.tensor(shots), (counts // 2).clamp_min(1))
    rounds = max(1, min(_MOST_ROUNDS, int(counts.max()) // max(int(each.max()), 1)))
    rows, likeness = [], []
    for playing in _halves(labels, n_classes):
        others = ~playing if (~playing).any() else playing
        used, number = labels[others].unique(return_inverse=True)
        gaussian = fit_known_gaussian(embeddings[others], number, len(used), covariance)
        whitening = Whitening.of(gaussian, embeddings[playing])
        whitened = whitening.whiten(embeddings[playing]).float() / whitening.length
        for turn in range(rounds):
            shown = (place - turn * each) % counts < each
            judged = ~shown[playing]
            prototypes = whitening.prototypes(embeddings[shown], labels[shown], n_classes)
            rows.append(torch.nonzero(playing).flatten()[judged])
            likeness.append(whitened[judged] @ prototypes.float().T)
    return Rehearsal(torch.cat(rows), torch.cat(likeness))


def _halves(labels: Tensor, n_classes: int) -> list[Tensor]:
    if n_classes < 4:  # too few classes to estimate the scatter of others
        return [torch.ones_like(labels, dtype=torch.bool)]
    return [labels % 2 == half for half in (0, 1)]


def _level(scores: Tensor, live: Tensor, labels: Tensor, n_new: int, balance: float) -> float:
    """Splits of the known classes into known and new ones, in the arrival's proportion; each class is new once."""
    n_classes = live.shape[1]
    if n_classes < 2:
        return float((live.logsumexp(1) - scores.logsumexp(1)).double().mean())
    casts = max(2, min(round((n_classes + n_new) / n_new), n_classes, _MOST_CASTS))
    cast = torch.arange(n_classes) % casts
    known, new, is_new, weights = [], [], [], []
    a_class = 1 / torch.bincount(labels, minlength=n_classes).double()[labels]
    for number in range(casts):
        known.append(live[:, cast != number].logsumexp(1))
        new.append(scores[:, cast == number].logsumexp(1))
        is_new.append(cast[labels] == number)
        share = float((cast == number).double().mean())
        new_to_known = (n_new / n_classes) ** (1 - balance)
        weights.append(torch.where(is_new[-1], new_to_known / share, 1 / (1 - share)) * a_class)
    return best_shift(torch.cat(known), torch.cat(new), torch.cat(is_new), torch.cat(weights))


def best_shift(known: Tensor, new: Tensor, is_new: Tensor, weights: Tensor) -> float:
    """The shift of the new classes' scores with the lowest log-loss.

    Args:
        known: (n,) log-sum-exp of the known classes' scores.
        new: (n,) log-sum-exp of the new classes' scores.
        is_new: (n,) bool, the photo is of a new class.
        weights: (n,), not negative.
    """
    difference, wanted, weights = (new - known).double(), is_new.double(), weights.double()
    low, high = -30.0, 30.0
    for _ in range(50):  # the slope of the loss rises with the shift, so that halving finds its zero
        middle = (low + high) / 2
        slope = float((weights * (torch.sigmoid(difference + middle) - wanted)).sum())
        low, high = (middle, high) if slope < 0 else (low, middle)
    return (low + high) / 2
