"""The solver behind every probe against scikit-learn in double precision, and its time by the distance that is left.

300 drawn tasks: 2 to 200 classes, more and fewer rows than columns, separable and not, columns of one size and of many,
a third with an offset, a third with smoothed labels. scikit-learn takes no offset: there its own loss (`LinearModelLoss`)
is given one and goes through scipy's L-BFGS-B, as scikit-learn's estimator does. That takes minutes for a large task:
where it would, the reference is our own solver at a tolerance of 1e-7. Distances are the largest difference of a
log-probability, in nats; times are the processor's, one thread. The rival is what stood here before: L-BFGS in single
precision to a gradient of 1e-4.

    python benchmarks/softmax_solver.py [--tasks 300]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from scipy.optimize import minimize
from sklearn._loss.loss import HalfMultinomialLoss
from sklearn.linear_model._linear_loss import LinearModelLoss
from torch import Tensor

from components.heads.softmax import softmax_regression

TOLERANCES = (1e-2, 1e-3, 3e-5, 1e-6)
MOST_ROWS = 2400
MOST_FOR_SCIKIT_LEARN = 400_000  # rows x columns x classes


@dataclass(frozen=True)
class Task:
    """One drawn problem; see `softmax_regression` for its parts."""

    inputs: Tensor
    labels: Tensor
    n_classes: int
    penalty: float
    smoothing: float
    offset: Tensor | None

    def solved(self, solver: Callable[..., tuple[Tensor, Tensor]], **settings: float) -> tuple[Tensor, float]:
        """Log-probabilities (n, C) of the solver's answer, and its processor time in seconds."""
        start = time.process_time()
        V, b = solver(
            self.inputs,
            self.labels,
            self.n_classes,
            penalty=self.penalty,
            smoothing=self.smoothing,
            offset=self.offset,
            **settings,
        )
        taken = time.process_time() - start
        logits = self.inputs.double() @ V.double() + b.double()
        return torch.log_softmax(logits if self.offset is None else logits + self.offset.double(), 1), taken


def drawn(number: int) -> Task:
    random = np.random.default_rng([7, number])
    C = int(np.exp(random.uniform(np.log(2), np.log(200.5))))
    d = int(np.exp(random.uniform(np.log(8), np.log(640))))
    n = max(C, min(C * int(np.exp(random.uniform(0, np.log(17)))), MOST_ROWS))
    noise = np.exp(random.uniform(np.log(0.3), np.log(6)))
    labels = np.concatenate([np.arange(C), random.integers(0, C, n - C)])
    inputs = random.normal(size=(C, d))[labels] + noise * random.normal(size=(n, d))
    if random.random() < 0.5:
        inputs = inputs * np.exp(0.7 * random.normal(size=d))
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    inputs -= inputs.mean(0)
    inputs /= np.sqrt((inputs**2).sum(1).mean())
    penalty, smoothing = float(random.choice([1.0, 0.4, 0.1, 0.01])), float(random.choice([0.0, 0.0, 0.1]))
    offset = None
    if random.random() < 1 / 3:
        loud = random.choice([1.0, 8.0])
        offset = torch.from_numpy(2 * random.normal(size=(n, C)) + loud * np.eye(C)[labels]).float()
    return Task(torch.from_numpy(inputs).float(), torch.from_numpy(labels), C, penalty, smoothing, offset)


class _Beside(HalfMultinomialLoss):  # type: ignore[misc]
    """scikit-learn's loss with an offset on its raw predictions."""

    offset: np.ndarray

    def loss_gradient(self, y_true: np.ndarray, raw_prediction: np.ndarray, **rest: object) -> object:
        return super().loss_gradient(y_true=y_true, raw_prediction=raw_prediction + self.offset, **rest)


def scikit_learns(task: Task) -> Tensor:
    """(n, C) log-probabilities by scikit-learn's loss in double precision; smoothed labels are rows with weights."""
    inputs, labels, C = task.inputs.double().numpy(), task.labels.double().numpy(), task.n_classes
    n = len(inputs)
    reduced = np.linalg.qr(inputs.T)[1].T if n < inputs.shape[1] else inputs
    offset = np.zeros((n, C)) if task.offset is None else task.offset.double().numpy()
    stacked, beside, asked, weights = reduced, offset, labels, None
    if task.smoothing:
        stacked, beside = np.repeat(reduced, C + 1, 0), np.repeat(offset, C + 1, 0)
        asked = np.concatenate([np.r_[label, np.arange(C)] for label in labels])
        weights = np.tile(np.r_[1 - task.smoothing, np.full(C, task.smoothing / C)], n)
    base = _Beside(n_classes=C)
    base.offset = np.ascontiguousarray(beside)
    loss = LinearModelLoss(base_loss=base, fit_intercept=True)

    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        found, slope = loss.loss_gradient(flat, stacked, asked, sample_weight=weights, l2_reg_strength=task.penalty / n)
        return found, slope.ravel(order="F")

    point = np.zeros(C * (reduced.shape[1] + 1))
    options = {"maxiter": 50_000, "maxfun": 100_000, "gtol": 1e-11, "ftol": 0.0, "maxls": 50, "maxcor": 30}
    found = minimize(value, point, method="L-BFGS-B", jac=True, options=options).x.reshape((C, -1), order="F")
    logits = reduced @ found[:, :-1].T + found[:, -1] + offset
    return torch.log_softmax(torch.from_numpy(logits), 1)


def is_for_scikit_learn(task: Task) -> bool:
    n, p = task.inputs.shape
    rows = n * (task.n_classes + 1) if task.smoothing else n
    return rows * min(n, p) * task.n_classes <= MOST_FOR_SCIKIT_LEARN


def single_precision(
    inputs: Tensor, labels: Tensor, n_classes: int, *, penalty: float, offset: Tensor | None, smoothing: float
) -> tuple[Tensor, Tensor]:
    """The rival; see `softmax_regression` for its parameters."""
    n, p = inputs.shape
    basis = None
    if n < p:
        basis, triangle = torch.linalg.qr(inputs.double().T)
        basis, inputs = basis.float(), triangle.T.float()
    targets = torch.full((n, n_classes), smoothing / n_classes)
    targets[torch.arange(n), labels] += 1 - smoothing
    point = torch.zeros(inputs.shape[1] + 1, n_classes)
    gradient = torch.empty_like(point)
    point.grad = gradient
    optimiser = torch.optim.LBFGS(
        [point],
        max_iter=200,
        tolerance_grad=1e-4,
        tolerance_change=1e-9,
        history_size=10,
        line_search_fn="strong_wolfe",
    )

    def objective() -> float:
        V = point[:-1]
        logits = torch.addmm(point[-1], inputs, V)
        if offset is not None:
            logits += offset
        norm = logits.logsumexp(1)
        loss = (norm.sum() - torch.dot(logits.flatten(), targets.flatten())) / n + penalty / n / 2 * V.square().sum()
        residual = logits.sub_(norm[:, None]).exp_().sub_(targets).div_(n)
        torch.mm(inputs.T, residual, out=gradient[:-1])
        gradient[:-1].add_(V, alpha=penalty / n)
        gradient[-1] = residual.sum(0)
        return float(loss)

    optimiser.step(objective)
    return point[:-1] if basis is None else basis @ point[:-1], point[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=300)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    solvers: dict[str, Callable[..., tuple[Tensor, Tensor]]] = {"L-BFGS, single precision": single_precision}
    for tolerance in TOLERANCES:
        solvers[f"Newton, {tolerance:g}"] = partial(softmax_regression, tolerance=tolerance)
    for solver in solvers.values():
        drawn(0).solved(solver)  # the first call loads libraries
    seconds: dict[str, list[float]] = {name: [] for name in solvers}
    distances: dict[str, list[float]] = {name: [] for name in solvers}
    by_scikit_learn = []
    for number in range(arguments.tasks):
        task = drawn(number)
        by_scikit_learn.append(is_for_scikit_learn(task))
        if by_scikit_learn[-1]:
            expected = scikit_learns(task)
        else:
            expected, _ = task.solved(softmax_regression, tolerance=1e-7)
        for name, solver in solvers.items():
            found, taken = task.solved(solver)
            seconds[name].append(taken)
            distances[name].append(float((found - expected).abs().max()))
    chosen = np.array(by_scikit_learn)
    print(f"{len(chosen)} tasks, {chosen.sum()} against scikit-learn, {(~chosen).sum()} against our own at 1e-7\n")
    print("| solver | seconds | times the rival | largest: scikit-learn | largest: own | median |")
    print("|---|---:|---:|---:|---:|---:|")
    rival = sum(seconds["L-BFGS, single precision"])
    for name in solvers:
        taken, far = sum(seconds[name]), np.array(distances[name])
        largest = " | ".join(f"{far[part].max(initial=0):.1e}" for part in (chosen, ~chosen))
        print(f"| {name} | {taken:.2f} | {taken / rival:.2f} | {largest} | {np.median(far):.1e} |")


if __name__ == "__main__":
    main()
