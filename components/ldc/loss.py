"""LDC's loss: three cross-entropies and two distances from the start logits."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from components.ldc.model import Outputs
from components.ldc.recipe import PUBLISHED_WEIGHTS

__all__ = ["TERMS", "loss_terms"]

TERMS = ("ce_mlp", "ce_icd", "ce_alf", "l1_mlp", "l1_icd")


def loss_terms(outputs: Outputs, labels: Tensor, weights: Sequence[float] = PUBLISHED_WEIGHTS) -> Tensor:
    """The five terms in the order of `TERMS`, each times its weight; their sum is the loss.

    Cross-entropies are means over the batch, in nats; L1 terms mean absolute differences from `clip` over the batch
    and all classes (section 3.5).

    Args:
        outputs: of a batch of n.
        labels: (n,) int64, or (n, K) shares that sum to 1 where labels are mixed.
        weights: the lambda vector; all 1 as published.
    """
    entropies = [F.cross_entropy(logits, labels) for logits in (outputs.mlp, outputs.icd, outputs.alf)]
    distances = [F.l1_loss(logits, outputs.clip) for logits in (outputs.mlp, outputs.icd)]
    return torch.stack([*entropies, *distances]) * outputs.clip.new_tensor(weights)
