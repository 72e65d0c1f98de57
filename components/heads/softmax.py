"""Multinomial logistic regression: the one solver behind every probe."""

from __future__ import annotations

import torch
from torch import Tensor

from components.heads.newton import LogLoss, minimise

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
    tolerance: float = 3e-5,
    max_iterations: int = 100,
) -> tuple[Tensor, Tensor]:
    """Minimise mean cross-entropy of `offset + inputs @ V + b` plus `penalty / (2 n) |V|^2`.

    `1 / penalty` is scikit-learn's `C`; with two classes, for which scikit-learn has one column instead of two,
    `2 / penalty` is. scikit-learn takes neither an offset nor smoothed labels. With fewer rows than columns the problem
    is solved in the rows' own span, where the optimum lies. The result is the optimum in double precision, rounded: it
    depends neither on the processor nor on the number of threads (`benchmarks/softmax_solver.py`).

    Args:
        inputs: (n, p).
        labels: (n,) int64.
        n_classes: C.
        penalty: at least 0; higher keeps V smaller.
        offset: (n, C) logits that are always added.
        smoothing: share of a label's weight that is spread over all classes, 0 to 1.
        start: V (p, C) and b (C,) to start from; zero where None.
        tolerance: of the rows' log-probabilities, in nats.
        max_iterations: Newton steps at most; without a penalty separable rows have no optimum to end at.

    Returns:
        V (p, C) and b (C,), float32; b sums to zero.
    """
    inputs = inputs.double()
    n, p = inputs.shape
    basis = None
    if n < p:
        basis, triangle = torch.linalg.qr(inputs.T)  # inputs' = basis @ triangle
        inputs = triangle.T
    targets = torch.full((n, n_classes), smoothing / n_classes, dtype=torch.float64)
    targets[torch.arange(n), labels] += 1 - smoothing
    stiffness = torch.full((inputs.shape[1] + 1, 1), penalty / n, dtype=torch.float64)
    stiffness[-1] = 0  # of the intercepts
    problem = LogLoss(
        inputs=torch.cat([inputs, torch.ones(n, 1, dtype=torch.float64)], 1),
        targets=targets,
        weights=torch.full((n, 1), 1 / n, dtype=torch.float64),
        stiffness=stiffness,
        offset=None if offset is None else offset.double(),
    )
    point = torch.zeros(len(stiffness), n_classes, dtype=torch.float64)
    if start is not None:
        V, b = start[0].double(), start[1].double()
        point[:-1], point[-1] = V if basis is None else basis.T @ V, b
    point = minimise(problem, point, tolerance=tolerance, max_iterations=max_iterations)
    V = point[:-1] if basis is None else basis @ point[:-1]
    b = point[-1] - point[-1].mean()
    return V.float().contiguous(), b.float()
