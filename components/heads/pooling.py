"""Log-linear pools: the weight of each of several scores, learnt from labelled rows.

With one part this is temperature scaling (Guo et al., "On Calibration of Modern Neural Networks", 2017).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "first_of_the_best",
    "least_temperature",
    "log_loss",
    "pool_weights",
    "provable_weights",
    "spread",
    "tempered_log_loss",
]

_LOG_BOUND = 7.0  # weights lie within e^-7 and e^7 of where they start
_MOST_STEPS = 60
_TOLERANCE = 1e-9
_ROUNDING = 1e-13  # share of a loss: rounding may make an equal value look worse by this
_LEAST_SURE = 0.05  # share of the least sure rows, and at least one photo, that is left out of the mean confidence
_BRACKET = (1e-9, 1e9)  # temperatures
_HALVINGS = 100


def pool_weights(
    parts: Sequence[Tensor], labels: Tensor, prior: Sequence[float], *, strength: float = 0.0
) -> list[float]:
    """Positive weights `w` that minimise the log-loss of `sum_j w_j parts_j`.

    Args:
        parts: logits (n, C) each, of rows that none of them was fitted on.
        labels: (n,) int64.
        prior: the value at which each weight starts and to which it is shrunk; positive.
        strength: 1 counts the prior like a standard normal on log(w / prior) beside the n rows; 0 ignores it.

    Returns:
        One weight a part. `prior` itself where there are no rows.
    """
    if len(labels) == 0:
        return [float(value) for value in prior]
    stacked = torch.stack([part.double() for part in parts])
    chosen = stacked[:, torch.arange(len(labels)), labels]
    start = torch.tensor(prior, dtype=torch.float64).log()

    def objective(log_weights: Tensor) -> tuple[float, Tensor]:
        logits = torch.tensordot(log_weights.exp(), stacked, dims=1)
        pull = log_weights - start
        loss = (logits.logsumexp(1) - log_weights.exp() @ chosen).sum() + strength * pull @ pull / 2
        return float(loss), logits

    # Newton's method with Levenberg's damping: one to three unknowns, about ten passes over the rows.
    # (scipy's L-BFGS-B calls a threaded BLAS for them, which stalls on a busy machine.)
    point, damping = start.clone(), 1e-3
    loss, logits = objective(point)
    for _ in range(_MOST_STEPS):
        weights = point.exp()
        probability = torch.softmax(logits, 1)
        mean = (probability * stacked).sum(2)  # (parts, n): each part's expected score
        slope = weights * (mean - chosen).sum(1) + strength * (point - start)
        centred = stacked - mean[:, :, None]
        # sum over rows and classes of p centred_i centred_j; einsum takes minutes for it with a thousand classes
        curvature = (centred * probability).flatten(1) @ centred.flatten(1).T * torch.outer(weights, weights)
        curvature += torch.diag((weights * (mean - chosen).sum(1)).clamp_min(0) + strength)
        if slope.abs().max() <= _TOLERANCE * len(labels):
            break
        while damping < 1e8:
            ridge = torch.diag(damping * (curvature.diagonal() + 1e-12))
            step = torch.linalg.solve(curvature + ridge, slope).clamp(-2.0, 2.0)
            tried = torch.clamp(point - step, start - _LOG_BOUND, start + _LOG_BOUND)
            tried_loss, tried_logits = objective(tried)
            if tried_loss <= loss + _ROUNDING * max(1.0, abs(loss)):
                damping = max(damping / 10, 1e-9)
                break
            damping *= 10
        else:
            break
        moved = float((tried - point).abs().max())
        point, loss, logits = tried, tried_loss, tried_logits
        if moved < _TOLERANCE:
            break
    return [float(value) for value in point.exp()]


def least_temperature(logits: Tensor, n_photos: int, *, at_least: float = 0.0) -> float:
    """The lowest temperature at which answers claim no more than so many photos can prove.

    If all held-out photos are answered rightly, the log-loss falls with the temperature without end, and everything
    would be answered with 100 %, even photos of something else. n photos without a mistake prove a share of right
    answers of (n + 1/2) / (n + 1) (Krichevsky and Trofimov, "The performance of universal encoding", 1981); the mean
    confidence stays at or below it. The least sure twentieth, at least one photo, is left out of the mean: one hard
    photo must not allow more confidence in the others. The bound is active on easy sets only; elsewhere the log-loss
    gives a higher temperature.

    Args:
        logits: (m, C), of rows that the head was not fitted on; a photo may come several times.
        n_photos: n, how many photos they show.
        at_least: the lowest temperature that is returned.

    Returns:
        `at_least` if there is nothing to bound: no rows, a single class (always sure), or photos that are not too sure
        at that temperature.
    """
    if len(logits) == 0 or logits.shape[1] < 2:
        return at_least
    most, rows = (n_photos + 0.5) / (n_photos + 1), logits.double()
    n_left_out = min(max(math.ceil(_LEAST_SURE * len(rows)), len(rows) // n_photos), len(rows) - 1)

    def too_sure(temperature: float) -> bool:
        confidence = torch.softmax(rows / temperature, 1).max(1).values.sort().values
        return float(confidence[n_left_out:].mean()) > most

    low, high = max(at_least, _BRACKET[0]), _BRACKET[1]
    if not too_sure(low):
        return at_least
    for _ in range(_HALVINGS):  # confidence falls as the temperature rises
        middle = math.sqrt(low * high)
        low, high = (middle, high) if too_sure(middle) else (low, middle)
    return high


def provable_weights(parts: Sequence[Tensor], labels: Tensor, prior: Sequence[float], n_photos: int) -> list[float]:
    """`pool_weights` with a prior of one row, and no more confident than so many photos can prove.

    Rows without a mistake would allow any scale. A column beside calibrated logits must not claim more than these do,
    or it wins photos of which it knows nothing.

    Args:
        parts: see `pool_weights`.
        labels: see `pool_weights`.
        prior: see `pool_weights`.
        n_photos: how many photos the rows show; see `least_temperature`.
    """
    weights = pool_weights(parts, labels, prior, strength=1.0)
    if len(labels) == 0:
        return weights
    logits = torch.stack([weight * part.double() for weight, part in zip(weights, parts, strict=True)]).sum(0)
    softened = least_temperature(logits, n_photos, at_least=1.0)
    return [weight / softened for weight in weights]


def log_loss(logits: Tensor, labels: Tensor) -> float:
    """Mean negative log-likelihood in nats; lower is better."""
    return float(torch.nn.functional.cross_entropy(logits.double(), labels))


def tempered_log_loss(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """The log-loss of held-out logits at their best scale, and that scale.

    The candidates are calibrated afterwards, so the scale of their logits must not decide. Rows without a mistake would
    allow any scale, a different one in every fold; a prior replaces the missing mistakes.

    Args:
        logits: (n, C).
        labels: (n,) int64.
    """
    faultless = bool((logits.argmax(1) == labels).all())
    (weight,) = pool_weights([logits], labels, [1.0], strength=float(faultless))
    return log_loss(weight * logits, labels), weight


def first_of_the_best(losses: Sequence[float], tolerance: float) -> int:
    """The place of the first loss that is within `tolerance` of the lowest.

    Among equals the last bit would decide, which differs between processors. So the first in the caller's order, which
    is prior knowledge, is taken.
    """
    lowest = min(losses)
    return next(place for place, loss in enumerate(losses) if loss <= lowest + tolerance)


def spread(scores: Tensor) -> float:
    """Standard deviation of a row's scores over the classes, averaged over rows; at least 1e-6.

    Scores divided by it are on a common scale, whichever head produced them.
    """
    return max(float(scores.double().std(dim=1, correction=0).mean()), 1e-6)
