"""AdamW on a cosine, as LDC was published with."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim.adamw import adamw

__all__ = ["AdamW", "cosine_rate"]


class AdamW:
    """AdamW over every trainable tensor in one group, norms included; one fused kernel a step.

    It is PyTorch's arithmetic without PyTorch's class, which imports the compiler at first use: a second or two.

    Args:
        parameters: what is trained.
        weight_decay: decoupled (Loshchilov and Hutter, 2019).
        epsilon: added to the root of the second moment.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], *, weight_decay: float, epsilon: float) -> None:
        self._parameters = list(parameters)
        self._weight_decay, self._epsilon = weight_decay, epsilon
        self._first = [torch.zeros_like(each) for each in self._parameters]
        self._second = [torch.zeros_like(each) for each in self._parameters]
        self._steps = [torch.zeros((), device=each.device) for each in self._parameters]

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Update the parameters by their gradients and clear these; a parameter without a gradient stays."""
        there = [place for place, each in enumerate(self._parameters) if each.grad is not None]

        def of(column: list[torch.Tensor]) -> list[torch.Tensor]:
            return [column[place] for place in there]

        gradients = [each.grad for each in self._parameters if each.grad is not None]
        adamw(
            [self._parameters[place] for place in there],
            gradients,
            of(self._first),
            of(self._second),
            [],
            of(self._steps),
            fused=True,
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=learning_rate,
            weight_decay=self._weight_decay,
            eps=self._epsilon,
            maximize=False,
        )
        for each in self._parameters:
            each.grad = None


def cosine_rate(learning_rate: float, step: int, steps: int) -> float:
    """The rate of step `step` (from 0) of `steps`: half a cosine from `learning_rate` to zero, no warm-up."""
    return learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
