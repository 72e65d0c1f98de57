"""The parts of LDC: linear layers without bias, a batch norm that accepts one row, and the block."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["BatchNorm", "Block", "LinearMaker", "LowRankChange"]

_EPSILON = 1e-5
_MOMENTUM = 0.1


class BatchNorm(nn.Module):
    """Batch norm over rows (n, width): the batch's biased variance normalises, its unbiased one moves the running one.

    A batch of one row has no variance: it is normalised with the running statistics, as in evaluation, and does not
    change them. The published code fails on it.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.register_buffer("running_mean", torch.zeros(width))
        self.register_buffer("running_var", torch.ones(width))

    def forward(self, rows: Tensor) -> Tensor:
        """(n, width) to (n, width)."""
        batch = self.training and len(rows) > 1
        return F.batch_norm(
            rows, self.running_mean, self.running_var, self.weight, self.bias, batch, _MOMENTUM, _EPSILON
        )


class LowRankChange(nn.Module):
    """A linear layer without bias: random weights that stay fixed, plus a learnt change of low rank.

    `y = (W + loudness U D) (scale * x)` with `W` drawn as PyTorch initialises, neither stored nor learnt: `draw` gives
    the same numbers for the same seed in every version of NumPy (NEP 19 promises it of `RandomState`). `U` starts at
    zero.

    Attributes:
        loudness: see `Shape`.
        scale: (inputs,), see `Recipe.even_channels`.
    """

    drawn: Tensor
    scale: Tensor
    _merged: Tensor | None = None

    def __init__(self, inputs: int, outputs: int, rank: int, loudness: float, draw: np.random.RandomState) -> None:
        super().__init__()
        self.loudness = loudness
        bound = inputs**-0.5
        drawn = torch.from_numpy(draw.uniform(-bound, bound, (outputs, inputs)).astype(np.float32))
        self.register_buffer("drawn", drawn, persistent=False)
        self.register_buffer("scale", torch.ones(inputs))
        self.down = nn.Linear(inputs, rank, bias=False)
        self.up = nn.Linear(rank, outputs, bias=False)
        nn.init.zeros_(self.up.weight)

    def train(self, mode: bool = True) -> Self:
        """Evaluation mode multiplies the change into the weights once; call it after the weights have been set."""
        super().train(mode)
        with torch.no_grad():
            self._merged = (
                None if mode else (self.drawn + self.loudness * self.up.weight @ self.down.weight) * self.scale
            )
        return self

    def forward(self, rows: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        if self._merged is not None:
            return F.linear(rows, self._merged)
        rows = rows * self.scale  # the fixed weights need no gradient, which saves a third of the products
        return F.linear(rows, self.drawn) + self.loudness * self.up(self.down(rows))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class LinearMaker:
    """Makes the linear layers of one model: fully learnt ones, or fixed random ones with a learnt change of low rank.

    Attributes:
        rank: of the change; None: layers are fully learnt.
        loudness: see `Shape`.
        draw: the source of the random weights, consumed in the order of layers.
    """

    rank: int | None
    loudness: float = 1.0
    draw: np.random.RandomState = field(default_factory=lambda: np.random.RandomState(0))

    def __call__(self, inputs: int, outputs: int) -> nn.Module:
        """A layer without bias; fully learnt if that takes no more weights."""
        if self.rank is None or self.rank * (inputs + outputs) >= inputs * outputs:
            return nn.Linear(inputs, outputs, bias=False)
        return LowRankChange(inputs, outputs, self.rank, self.loudness, self.draw)


class Block(nn.Module):
    """`W2 ReLU(BN(W1 x))`: the common form of LDC's MLP head, branches, gate and learnt fusion, with nothing after it.

    Args:
        inputs, hidden, outputs: widths.
        linear: makes the layers.
        full_last: the last layer is fully learnt in any case; blocks that end in class scores need it.
    """

    def __init__(self, inputs: int, hidden: int, outputs: int, linear: LinearMaker, *, full_last: bool = False) -> None:
        super().__init__()
        self.first = linear(inputs, hidden)
        self.norm = BatchNorm(hidden)
        self.last = nn.Linear(hidden, outputs, bias=False) if full_last else linear(hidden, outputs)

    def forward(self, rows: Tensor) -> Tensor:
        """(n, inputs) to (n, outputs)."""
        return self.last(F.relu(self.norm(self.first(rows))))  # type: ignore[no-any-return]
