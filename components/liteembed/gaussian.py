"""The scatter of the known photos: the shrunk covariance, and rows of a linear discriminant."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from components.heads.gaussian import class_means, within_class_covariance
from components.heads.pooling import provable_weights

__all__ = ["KnownGaussian", "Voices", "fit_known_gaussian", "fit_voices", "leave_one_out"]

_ISOTROPIC_SHARE = 0.3
_WEAK_PRIOR = 0.5  # trust in the identity where no generic covariance is known, in units of d photos
_LEAST_BETWEEN = 0.05
_PRIOR = 0.3  # prior weight of a discriminant


@dataclass(frozen=True)
class KnownGaussian:
    """Known class means under one shrunk covariance.

    Attributes:
        centre: (d,) float64, mean of the class means.
        means: (C, d) float64, class means less the centre.
        precision: (d, d) float64, inverse of the shrunk covariance within classes.
        between: variance between classes in units of that within, averaged over directions.
    """

    centre: Tensor
    means: Tensor
    precision: Tensor
    between: float

    def rows(self, means: Tensor, shots: Tensor) -> tuple[Tensor, Tensor]:
        """Weights (k, d) and offsets (k,), float64, of k class means (k, d) of `shots` (k,) photos each.

        A mean is pulled to the centre by `shots B / (shots B + 1)`, `B` the variance between classes: a mean of few
        photos is less certain.
        """
        pull = shots.double() * self.between
        centred = (means.double() - self.centre) * (pull / (pull + 1))[:, None]
        weights = centred @ self.precision
        return weights, -0.5 * (weights * centred).sum(1) - weights @ self.centre


def fit_known_gaussian(embeddings: Tensor, labels: Tensor, n_classes: int, generic: Tensor | None) -> KnownGaussian:
    """`Sigma = 0.7 P + 0.3 (tr P / d) I`, `P` the pooled covariance blended with the generic one (see MAP-LR).

    Args:
        embeddings: (n, d), one row per photo.
        labels: (n,) int64, every class present.
        n_classes: C.
        generic: (d, d) within-class covariance of the backbone, any scale; None: the identity.
    """
    rows, d = embeddings.double(), embeddings.shape[1]
    identity = torch.eye(d, dtype=torch.float64)
    S, freedom = within_class_covariance(rows, labels, n_classes)
    S0 = identity if generic is None else generic.double() * (d / generic.double().trace())
    trust = d if generic is not None else _WEAK_PRIOR * d
    a = trust / (trust + max(freedom, 0))
    size = S.trace() / d
    means = class_means(rows, labels, n_classes)
    if size <= 1e-12:  # one photo per class: only the spread between classes is known
        a, size = 1.0, (means - means.mean(0)).square().sum() / (max(n_classes - 1, 1) * d)
    sigma = (1 - _ISOTROPIC_SHARE) * ((1 - a) * S + a * size * S0) + _ISOTROPIC_SHARE * size.clamp_min(1e-9) * identity
    precision = torch.linalg.inv(sigma)
    centre = means.mean(0)
    means = means - centre
    total = float(((means @ precision) * means).sum(1).mean()) / d
    between = max(total - float((1 / torch.bincount(labels).double()).mean()), _LEAST_BETWEEN * total, 1e-6)
    return KnownGaussian(centre, means, precision, between)


@dataclass(frozen=True)
class Voices:
    """The weights of words and of a discriminant on photos, learnt on the known classes' photos.

    Attributes:
        photos: weight of the discriminant alone.
        name: weight of `logit_scale <x, text>` alone; 1 without words.
        beside: weights of discriminant and words together; the second is 0 without words.
    """

    photos: float
    name: float
    beside: tuple[float, float]


def fit_voices(discriminant: Tensor, words: Tensor | None, labels: Tensor) -> Voices:
    """Weights with the lowest log-loss on the known photos.

    Args:
        discriminant: (n, C) scores of the known photos, each by a class mean without it.
        words: (n, C) `logit_scale <x, text>`; they have learnt from no photo, so all photos may judge them; None
            without words.
        labels: (n,) int64.
    """
    (alone,) = provable_weights([discriminant], labels, [_PRIOR], len(labels))
    if words is None:
        return Voices(alone, 1.0, (alone, 0.0))
    (name,) = provable_weights([words], labels, [1.0], len(labels))
    photos, beside = provable_weights([discriminant, words], labels, [_PRIOR, 1.0], len(labels))
    return Voices(alone, name, (photos, beside))


def leave_one_out(gaussian: KnownGaussian, embeddings: Tensor, labels: Tensor) -> Tensor:
    """(n, C) float32: the discriminant's scores of the known photos, each photo's own class mean taken without it."""
    photos = embeddings.double() - gaussian.centre
    weights = gaussian.means @ gaussian.precision
    scores = photos @ weights.T - 0.5 * (weights * gaussian.means).sum(1)
    shots = torch.bincount(labels, minlength=len(weights)).double()[labels][:, None]
    own = (shots * gaussian.means[labels] - photos) / (shots - 1).clamp_min(1)
    own_weights = own @ gaussian.precision
    own_scores = (photos * own_weights).sum(1) - 0.5 * (own_weights * own).sum(1)
    own_scores[shots[:, 0] == 1] = 0.0  # without its only photo a class is the centre
    scores[torch.arange(len(scores)), labels] = own_scores
    return scores.float()
