"""Gaussian class models with shared covariances, shrunk so that they hold with one photo per class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

__all__ = [
    "TwoCovariance",
    "class_means",
    "fit_two_covariance",
    "means_a_posteriori",
    "principal_axes",
    "shrunk_whitening",
    "within_class_covariance",
]

# Set on held-out draws of three sets of CLIP ViT-B/32 embeddings; all lie on a flat optimum (docs/experiments/heads.md).
_ISOTROPIC_SHARE = 0.3
_WHITENING_POWER = 0.6
_WEAK_PRIOR = 0.5  # how much the identity counts, in units of d photos, where no generic covariance is known
_ONE_SHOT_SHARE = 0.5  # share of the spread between photos that counts as within classes if each class has one photo
_LEAST_BETWEEN = 0.1
_NOTHING = 1e-12  # a variance below this counts as not observed


def class_means(rows: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """(C, d): the mean of each class's rows; every class has one."""
    sums = torch.zeros(n_classes, rows.shape[1], dtype=rows.dtype).index_add_(0, labels, rows)
    return sums / torch.bincount(labels, minlength=n_classes).to(rows.dtype)[:, None]


def within_class_covariance(rows: Tensor, labels: Tensor, n_classes: int) -> tuple[Tensor, int]:
    """Pooled covariance of rows about their class means, (d, d) float64, and its degrees of freedom n - C.

    Zero where every class has one row.
    """
    rows = rows.double()
    residuals = rows - class_means(rows, labels, n_classes)[labels]
    freedom = len(rows) - n_classes
    return residuals.T @ residuals / max(freedom, 1), freedom


@dataclass(frozen=True)
class TwoCovariance:
    """Class means as Gaussian posteriors in whitened space; `scores` is the predictive log-density up to a constant.

    Attributes:
        centre: (d,) float32, mean of the class means.
        whitening: (d, d) float32; `normalize((x - centre) @ whitening)` is what classes are compared in.
        linear: (d, C) float32.
        quadratic: (d, C) float32; zero where all classes have equally many photos.
        bias: (C,) float32.
    """

    centre: Tensor
    whitening: Tensor
    linear: Tensor
    quadratic: Tensor
    bias: Tensor

    def whiten(self, embedding: Tensor) -> Tensor:
        """(n, d) float32, unit length."""
        return normalize((embedding - self.centre) @ self.whitening, dim=1)

    def scores(self, whitened: Tensor) -> Tensor:
        """(n, C) float32 of whitened rows; differences between classes are log-density ratios."""
        scores = torch.addmm(self.bias, whitened, self.linear)
        return scores + whitened.square() @ self.quadratic if self.quadratic.any() else scores


def fit_two_covariance(embedding: Tensor, labels: Tensor, n_classes: int, generic: Tensor | None) -> TwoCovariance:
    """MAP estimate of class means under one covariance within and one between classes.

    Within: `S` pooled, `a = d / (d + n - C)`, `P = (1 - a) S + a (tr S / tr S0) S0`, `Sigma = 0.7 P + 0.3 (tr P / d) I`
    and `z = normalize(Sigma^-0.6 (x - centre))`. In that space photos scatter about their class mean with variance `w`
    in every direction, and class means about the centre with covariance `B`, estimated from the observed means less
    `w / shots` and shrunk to a multiple of the identity. A class mean's posterior is then the observed mean, pulled to
    the centre more in the directions in which classes differ less (the two-covariance model of Brummer and de Villiers,
    "The speaker partitioning problem", Odyssey 2010, on length-normalised vectors).

    Args:
        embedding: (n, d), one row per image.
        labels: (n,) int64, every class present.
        n_classes: C.
        generic: (d, d) within-class covariance `S0` of the backbone, any scale; None: the identity, trusted half as
            much.
    """
    rows, d = embedding.double(), embedding.shape[1]
    S, freedom = within_class_covariance(rows, labels, n_classes)
    whitening = shrunk_whitening(S, freedom, generic)
    centre = class_means(rows, labels, n_classes).mean(0)
    z = normalize((rows - centre) @ whitening, dim=1)

    means = class_means(z, labels, n_classes)
    within = (z - means[labels]).square().sum() / (max(freedom, 1) * d)
    shots = torch.bincount(labels, minlength=n_classes).double()
    return means_a_posteriori(means, shots, within if freedom > 0 else None, centre, whitening)


def shrunk_whitening(S: Tensor, freedom: float, generic: Tensor | None) -> Tensor:
    """`Sigma^-0.6` of `fit_two_covariance`, (d, d) float64.

    Args:
        S: (d, d) float64, pooled covariance within classes; zero where nothing was seen of it.
        freedom: how many rows it rests on, less the number of classes.
        generic: see `fit_two_covariance`.
    """
    d = len(S)
    identity = torch.eye(d, dtype=torch.float64)
    S0 = identity if generic is None else generic.double() * (d / generic.double().trace())
    trust = d if generic is not None else _WEAK_PRIOR * d
    a = trust / (trust + freedom)
    size = S.trace() / d
    if size <= _NOTHING:  # one photo per class, or copies of one: only S0 tells of the spread
        a, size = 1.0, torch.ones((), dtype=torch.float64)
    P = (1 - a) * S + a * size * S0
    values, vectors = torch.linalg.eigh((1 - _ISOTROPIC_SHARE) * P + _ISOTROPIC_SHARE * size * identity)
    whitening: Tensor = (vectors * values.pow(-_WHITENING_POWER)) @ vectors.T
    return whitening


def means_a_posteriori(
    means: Tensor, shots: Tensor, within: Tensor | None, centre: Tensor, whitening: Tensor
) -> TwoCovariance:
    """The second half of `fit_two_covariance`: from observed class means to scores of new photos.

    Args:
        means: (C, d) float64 of whitened rows of unit length.
        shots: (C,) float64, on how many photos each mean rests.
        within: variance of photos about their class's mean, in every direction; None if it was not seen.
        centre: (d,) float64.
        whitening: (d, d) float64.
    """
    n_classes, d = means.shape
    shots = shots[:, None]
    total = means.square().sum() / (n_classes * d)
    if within is None or within <= _NOTHING:
        within = _ONE_SHOT_SHARE * total
    between = torch.maximum(total - within * (1 / shots).mean(), _LEAST_BETWEEN * total)
    a = d / (d + n_classes)
    scatter, rotation = principal_axes(means)
    spread = (1 - a) * between / total * scatter + a * between

    gain = spread / (spread * shots + within)  # (C, d)
    posterior = gain * shots * (means @ rotation)
    precision = 1 / (within + within * gain)  # predictive variance: within plus the mean's own uncertainty
    bias = -0.5 * (posterior.square() * precision).sum(1) + 0.5 * precision.log().sum(1)
    quadratic = -0.5 * (precision - precision.mean(0))  # a constant for all classes changes no answer
    return TwoCovariance(
        centre=centre.float(),
        whitening=(whitening @ rotation).float().contiguous(),
        linear=(posterior * precision).T.float().contiguous(),
        quadratic=quadratic.T.float().contiguous() if shots.min() < shots.max() else torch.zeros(d, n_classes),
        bias=(bias - bias.mean()).float(),
    )


def principal_axes(means: Tensor) -> tuple[Tensor, Tensor]:
    """Variance about zero along d orthogonal axes, (d,), and those axes as columns, (d, d), of float64 rows (C, d).

    Few rows leave most axes without variance. Any completion to d axes will do, and costs less than finding one by
    eigenvectors.
    """
    n_classes, d = means.shape
    if 2 * n_classes > d:
        variance, axes = torch.linalg.eigh(means.T @ means / n_classes)
        return variance.clamp_min(0.0), axes
    values, axes = torch.linalg.svd(means, full_matrices=False)[1:]
    completed = torch.linalg.qr(axes.T, mode="complete").Q
    variance = torch.zeros(d, dtype=means.dtype)
    variance[:n_classes] = values.square() / n_classes
    return variance, torch.cat([axes.T, completed[:, n_classes:]], 1)
