"""An affine map of the embedding that approximates a head which is not affine: other programs can compute it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["StandIn", "stand_in"]

_STIFFNESS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


@dataclass(frozen=True)
class StandIn:
    """An affine map that approximates a head which is not affine.

    Attributes:
        weights: (C, d) float32.
        offsets: (C,) float32.
        left_out: (n, C) float32: its logits for each photo, made without that photo.
    """

    weights: Tensor
    offsets: Tensor
    left_out: Tensor


def stand_in(embeddings: Tensor, logits: Tensor, stiffness: Sequence[float] = _STIFFNESS) -> StandIn:
    """The ridge regression of a head's logits on embeddings, with the penalty that predicts left-out photos best.

    Left-out errors in closed form, `residual / (1 - leverage)` (Hastie et al., "The Elements of Statistical Learning",
    section 7.10), by one singular value decomposition for every stiffness.

    Args:
        embeddings: (n, d), the photos that the head was asked about, at least 2.
        logits: (n, C), the head's logits of them.
        stiffness: penalties to choose from, in units of the mean squared singular value of the centred embeddings.
    """
    centre, level = embeddings.double().mean(0), logits.double().mean(0)
    rows, targets = embeddings.double() - centre, logits.double() - level
    U, s, V = torch.linalg.svd(rows, full_matrices=False)
    along = U.T @ targets
    size = s.square().mean().clamp_min(1e-12)
    best, least = None, torch.inf
    for one in stiffness:
        kept = s.square() / (s.square() + one * size)
        leverage = 1 / len(rows) + U.square() @ kept
        errors = (targets - U @ (kept[:, None] * along)) / (1 - leverage).clamp_min(1e-6)[:, None]
        if float(errors.square().mean()) < least:
            least, best = float(errors.square().mean()), (one, errors)
    assert best is not None
    chosen, errors = best
    weights = (V.T @ ((s / (s.square() + chosen * size))[:, None] * along)).T
    return StandIn(weights.float(), (level - weights @ centre).float(), (logits.double() - errors).float())
