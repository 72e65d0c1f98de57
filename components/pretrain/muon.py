"""Muon: momentum whose step is an orthogonal matrix, for weights that are matrices by nature.

Keller Jordan, "Muon: An optimizer for hidden layers in neural networks" (2024); the length of a step as in Liu et al.,
"Muon is scalable for LLM training" (2025), so that one learning rate serves it and AdamW. PyTorch's own takes matrices
only; a convolution's weight is one here, with a row per output channel.
"""

import functools
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Muon", "orthogonalised"]

_QUINTIC = (3.4445, -4.7750, 2.0315)  # drives singular values into 0.7 .. 1.2 in five rounds
_ROUNDS = 5
_ADAMW_SPREAD = 0.2  # root mean square of a usual AdamW step of learning rate 1


@torch.no_grad()
def orthogonalised(matrices: Tensor) -> Tensor:
    """Each of `matrices` `(n, rows, columns)` with its singular values near 1, float32 (Newton-Schulz, in bfloat16)."""
    a, b, c = _QUINTIC
    wide = matrices.shape[1] <= matrices.shape[2]
    x = (matrices if wide else matrices.mT).bfloat16()
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(_ROUNDS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    found: Tensor = (x if wide else x.mT).float()
    return found


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, orthogonalised, with decoupled weight decay.

    Args:
        weights: parameters of two or more dimensions; all but the first are taken together.
        lr: learning rate, as one would give AdamW.
        momentum: part of the past that stays, 0 to 1.
        weight_decay: per step and learning rate.
        threads: how many shapes are worked on at a time; the result is the same.
    """

    def __init__(
        self, weights: Iterable[nn.Parameter], lr: float, momentum: float, weight_decay: float, threads: int = 1
    ) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._pool = ThreadPoolExecutor(threads)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]  # nobody gives one here
        """One step along the gradients; weights without one stay."""
        for group in self.param_groups:
            alike: defaultdict[tuple[int, int], list[nn.Parameter]] = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    alike[weight.shape[0], weight[0].numel()].append(weight)
            list(self._pool.map(functools.partial(self._move, group), alike, alike.values()))

    @torch.no_grad()  # holds for a thread, not for those it starts
    def _move(self, group: dict[str, Any], shape: tuple[int, int], weights: list[nn.Parameter]) -> None:
        pull = torch.stack([self._pull(weight, group["momentum"]).reshape(shape) for weight in weights])
        length = group["lr"] * _ADAMW_SPREAD * max(shape) ** 0.5
        for weight, direction in zip(weights, orthogonalised(pull), strict=True):
            weight.mul_(1 - group["lr"] * group["weight_decay"])
            weight.add_(direction.view(weight.shape), alpha=-length)

    def _pull(self, weight: nn.Parameter, momentum: float) -> Tensor:
        gradient = weight.grad
        assert gradient is not None
        state = self.state[weight]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        state["momentum"].lerp_(gradient, 1 - momentum)
        pull: Tensor = gradient.lerp(state["momentum"], momentum)
        return pull
