"""AdamW on a cosine, as LDC was published with."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

__all__ = ["adamw", "cosine_rate"]


def adamw(
    parameters: Iterable[nn.Parameter], learning_rate: float, *, weight_decay: float, epsilon: float
) -> torch.optim.AdamW:
    """AdamW over every trainable tensor in one group, norms included; one fused kernel a step."""
    return torch.optim.AdamW(parameters, lr=learning_rate, eps=epsilon, weight_decay=weight_decay, fused=True)


def cosine_rate(learning_rate: float, step: int, steps: int) -> float:
    """The rate of step `step` (from 0) of `steps`: half a cosine from `learning_rate` to zero, no warm-up."""
    return learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
