"""Newton's method for multinomial log-losses; it reaches the same optimum on any processor and number of threads.

Single precision alone stops where rounding stops its line search, which differs between processors. Here single
precision only comes close and solves for each step's direction. The gradients, losses and steps of the last iterations
are in double precision, and each next direction corrects errors of the one before.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LogLoss", "minimise"]

_CLOSE = 1e-2  # change of a log-probability below which double precision takes over
_FAR = 0.3  # change of a log-probability above which a direction need not be exact
_LOOSE, _TIGHT = 0.5, 0.02  # residual of a direction, as a share of the gradient
_MOST_PRODUCTS = 250  # iterations for one direction in single precision, whose rounding ends what more would bring
_MOST_EXACT_PRODUCTS = 2_500  # and in double precision
_LEAST_STEP = 1e-6
_SUFFICIENT = 1e-4  # of the decrease that the slope promises (Armijo)
_REACH = 10.0  # nats that the first damped direction moves a logit at most
_EASE = 4.0  # factor by which the damping grows and shrinks
_LEAST_DAMPING = 1e-6  # share of the first damping, below which there is none


@dataclass(frozen=True)
class LogLoss:
    """`sum_i w_i (log(exp(frozen_i) + sum_c exp(l_ic)) - <targets_i, l_i>) + 1/2 sum_j s_j |P_j|^2`, `l = offset + X P`.

    Convex in P; strictly so, but for what changes no probability, where every stiffness is positive.

    Attributes:
        inputs: X, (n, k); the last column is ones, whose weights are the classes' intercepts.
        targets: (n, C), the wanted shares of each row; a row of zeros wants the frozen column.
        weights: w, (n, 1), not negative.
        stiffness: s, (k, 1), not negative.
        offset: (n, C) logits that are added, or None.
        frozen: (n,) logit of a further column that has no weights, or None.
    """

    inputs: Tensor
    targets: Tensor
    weights: Tensor
    stiffness: Tensor
    offset: Tensor | None = None
    frozen: Tensor | None = None

    def to(self, dtype: torch.dtype) -> LogLoss:
        """The same problem in another precision."""
        offset = None if self.offset is None else self.offset.to(dtype)
        frozen = None if self.frozen is None else self.frozen.to(dtype)
        inputs, targets, weights = self.inputs.to(dtype), self.targets.to(dtype), self.weights.to(dtype)
        return LogLoss(inputs, targets, weights, self.stiffness.to(dtype), offset, frozen)

    def logits(self, point: Tensor) -> Tensor:
        """(n, C) at a point P (k, C)."""
        return self.inputs @ point if self.offset is None else torch.addmm(self.offset, self.inputs, point)

    def value(self, logits: Tensor, point: Tensor) -> tuple[float, Tensor]:
        """The loss, and the log of each row's normaliser, (n,)."""
        norm = logits.logsumexp(1)
        if self.frozen is not None:
            norm = torch.logaddexp(norm, self.frozen)
        loss = torch.dot(self.weights[:, 0], norm) - torch.dot(
            (self.weights * self.targets).flatten(), logits.flatten()
        )
        return float(loss + torch.dot((self.stiffness * point).flatten(), point.flatten()) / 2), norm

    def gradient(self, probability: Tensor, point: Tensor) -> Tensor:
        """(k, C) where the classes have `probability` (n, C)."""
        return torch.addmm(self.stiffness * point, self.inputs.T, (probability - self.targets).mul_(self.weights))

    def first_damping(self, norm: Tensor, logits: Tensor, point: Tensor) -> float:
        """The damping with which the direction from a point moves no logit by more than _REACH."""
        gradient = self.gradient((logits - norm[:, None]).exp(), point)
        return float(gradient.norm() * self.inputs.square().sum(1).max().sqrt()) / _REACH

    def direction(self, probability: Tensor, gradient: Tensor, residual: float, damping: float = 0.0) -> Tensor:
        """Newton's step (k, C), solved by conjugate gradients to a residual that is this share of the gradient.

        `damping` is added to each curvature (Levenberg-Marquardt).
        """
        scale = gradient.norm().clamp_min(torch.finfo(gradient.dtype).tiny)
        weighted = self.weights * probability
        left = self._centred((-gradient / scale).to(self.inputs.dtype))
        step, ahead = torch.zeros_like(left), left.clone()
        length = float(left.square().sum())
        enough = residual**2 * length
        stiffness = self.stiffness + damping
        for _ in range(_MOST_PRODUCTS if self.inputs.dtype == torch.float32 else _MOST_EXACT_PRODUCTS):
            if length <= enough:
                break
            moved = (self.inputs @ ahead).mul_(weighted)
            moved.addcmul_(probability, moved.sum(1, keepdim=True), value=-1)
            bent = self._centred(torch.addmm(stiffness * ahead, self.inputs.T, moved))
            curvature = float(torch.dot(ahead.flatten(), bent.flatten()))
            if not curvature > 0:  # only rounding is left, or a direction that changes no probability
                break
            share = length / curvature
            step.add_(ahead, alpha=share)
            left.sub_(bent, alpha=share)
            before, length = length, float(left.square().sum())
            ahead.mul_(length / before).add_(left)
        return step.to(gradient.dtype).mul_(scale)

    def _centred(self, rows: Tensor) -> Tensor:
        """(k, C) with intercepts of mean zero: a common shift changes nothing, and rounding would decide its size."""
        if self.frozen is None:
            rows[-1] -= rows[-1].mean()
        return rows


def minimise(problem: LogLoss, start: Tensor, *, tolerance: float = 3e-5, max_iterations: int = 100) -> Tensor:
    """The point (k, C), float64, from which Newton's step moves no log-probability by more than `tolerance`.

    Args:
        problem: in double precision.
        start: (k, C).
        tolerance: of a log-probability, in nats. The remaining error is smaller: a step leaves a small share of its own
            length.
        max_iterations: steps at most, of each attempt; only a problem without an optimum (separable rows without
            stiffness) needs so many.
    """
    single = problem.to(torch.float32)
    point, _ = _descend(single, single, start.float(), max(tolerance, _CLOSE), max_iterations)
    point, arrived = _descend(problem, single, point.double(), tolerance, max_iterations)
    if arrived:
        return point
    # Where every answer is sure and some are wrong, hardly any curvature is left, and Newton's step has no bounds: the
    # intercepts, which nothing holds, run away first. Damped steps from where no answer is sure do not come there.
    other, arrived = _descend(problem, problem, torch.zeros_like(point), tolerance, max_iterations, damped=True)
    return other if arrived or _loss(problem, other) < _loss(problem, point) else point


def _loss(problem: LogLoss, point: Tensor) -> float:
    return problem.value(problem.logits(point), point)[0]


def _descend(
    problem: LogLoss, rough: LogLoss, point: Tensor, tolerance: float, max_iterations: int, *, damped: bool = False
) -> tuple[Tensor, bool]:
    """Newton steps with directions from `rough`, and whether they arrived; ends where precision allows no more progress."""
    dtype = problem.inputs.dtype
    logits = problem.logits(point)
    loss, norm = problem.value(logits, point)
    change = float("inf")
    damping = problem.first_damping(norm, logits, point) if damped else 0.0
    least_damping = damping * _LEAST_DAMPING
    for _ in range(max_iterations):
        probability = (logits - norm[:, None]).exp_()
        gradient = problem.gradient(probability, point)
        residual = _LOOSE if change > _FAR else _TIGHT
        step = rough.direction(probability.to(rough.inputs.dtype), gradient, residual, damping)
        along, slope = problem.inputs @ step, float(torch.dot(gradient.flatten(), step.flatten()))
        slack = 10 * torch.finfo(dtype).eps * max(1.0, abs(loss))
        share = 1.0
        while share >= _LEAST_STEP:
            tried, tried_logits = point.add(step, alpha=share), logits.add(along, alpha=share)
            tried_loss, tried_norm = problem.value(tried_logits, tried)
            if tried_loss <= loss + _SUFFICIENT * share * slope + slack:
                break
            share /= 2
        else:
            if dtype == torch.float32 or rough is problem:
                return point, False
            rough = problem  # no step in this direction lowers the loss: single precision was too coarse
            continue
        moved = along.mul_(share).sub_((tried_norm - norm)[:, None])
        before, change = change, max(float(moved.max()), -float(moved.min()), float((tried_norm - norm).abs().max()))
        gained = loss - tried_loss
        point, logits, loss, norm = tried, tried_logits, tried_loss, tried_norm
        if damping > 0.0:  # a damped step that is short proves nothing
            damping = damping * _EASE if share < 1 else damping / _EASE if damping > least_damping else 0.0
            continue
        if change <= tolerance * share:
            return point, True
        if share == 1 and change > before / 2:
            if dtype == torch.float64:
                rough = problem  # single precision is too coarse for this problem's directions
            elif gained <= slack:
                return point, False
    return point, False
