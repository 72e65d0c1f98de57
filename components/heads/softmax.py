"""Multinomial logistic regression on a fixed start: the one solver behind every probe."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["softmax_regression"]


def softmax_regression(
    inputs: Tensor,
    labels: Tensor,
    n_classes: int,
    *,
    penalty: float,
    offset: Tensor | None = None,
    smoothing: float = 0.0,
    start: tuple[Tensor, Tensor] | None = None,
    max_iterations: int = 200,
    tolerance: float = 1e-4,
) -> tuple[Tensor, Tensor]:
    """Minimise mean cross-entropy of `offset + inputs @ V + b` plus `penalty / (2 n) |V|^2` by L-BFGS.

    `1 / penalty` is scikit-learn's `C`. scikit-learn takes neither an offset nor smoothed labels, and is no faster
    (docs/experiments/heads.md). With fewer rows than columns the problem is solved in the rows' own span, where the
    optimum lies.

    Args:
        inputs: (n, p).
        labels: (n,) int64.
        n_classes: C.
        penalty: at least 0; higher keeps V smaller.
        offset: (n, C) logits to start from and never to lose.
        smoothing: share of a label's weight that is spread over all classes, 0 to 1.
        start: V (p, C) and b (C,) to start from; zero where None.
        max_iterations: upper bound; each costs two products of inputs and V.
        tolerance: stop when no entry of the gradient exceeds it.

    Returns:
        V (p, C) and b (C,), float32.
    """
    inputs = inputs.float()
    n, p = inputs.shape
    basis = None
    if n < p:
        basis, triangle = torch.linalg.qr(inputs.double().T)  # inputs' = basis @ triangle
        basis, inputs = basis.float(), triangle.T.float()
    columns = inputs.shape[1]
    targets = torch.full((n, n_classes), smoothing / n_classes)
    targets[torch.arange(n), labels] += 1 - smoothing
    shrink = penalty / n

    point = torch.zeros(columns + 1, n_classes)
    if start is not None:
        point[:-1], point[-1] = start[0] if basis is None else basis.T @ start[0], start[1]
    gradient = torch.empty_like(point)
    point.grad = gradient
    optimiser = torch.optim.LBFGS(
        [point],
        max_iter=max_iterations,
        tolerance_grad=tolerance,
        tolerance_change=1e-9,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def objective() -> float:  # the gradient is short enough to write down, and autograd would keep the logits thrice
        V = point[:-1]
        logits = torch.addmm(point[-1], inputs, V)
        if offset is not None:
            logits += offset
        norm = logits.logsumexp(1)
        loss = (norm.sum() - torch.dot(logits.flatten(), targets.flatten())) / n + shrink / 2 * V.square().sum()
        residual = logits.sub_(norm[:, None]).exp_().sub_(targets).div_(n)
        torch.mm(inputs.T, residual, out=gradient[:-1])
        gradient[:-1].add_(V, alpha=shrink)
        gradient[-1] = residual.sum(0)
        return float(loss)

    optimiser.step(objective)
    solution = point
    V = solution[:-1] if basis is None else basis @ solution[:-1]
    return V.contiguous(), solution[-1].contiguous()
