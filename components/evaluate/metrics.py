"""Figures of one head, and what it takes for what."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from components.classifier import expected_calibration_error

__all__ = ["Confused", "Figures", "confused_pairs", "confusion", "coverage_curve", "figures"]


@dataclass(frozen=True)
class Figures:
    """Of calibrated probabilities; fractions from 0 to 1, `nll` in nats.

    Attributes:
        top1: share of photos whose most probable class is right.
        top5: share whose class is among the five most probable.
        balanced: mean over classes of the share of their photos answered rightly; classes without photos left out.
        ece: expected calibration error; lower is better.
        nll: mean negative log-likelihood; lower is better.
    """

    top1: float
    top5: float
    balanced: float
    ece: float
    nll: float


@dataclass(frozen=True)
class Confused:
    """One class taken for another: share of its photos, before (`Evaluation.before`) and after (what is shipped)."""

    label: int
    taken_for: int
    before: float
    after: float


def figures(probabilities: Tensor, labels: Tensor) -> Figures:
    """Of (n, C) probabilities of n >= 1 labelled photos."""
    ranked = probabilities.topk(min(5, probabilities.shape[1]), dim=1).indices
    right = ranked[:, 0] == labels
    shares = confusion(probabilities, labels)
    present = torch.bincount(labels, minlength=probabilities.shape[1]) > 0
    true = probabilities[torch.arange(len(labels)), labels].double()
    return Figures(
        top1=float(right.double().mean()),
        top5=float((ranked == labels[:, None]).any(1).double().mean()),
        balanced=float(shares.diagonal()[present].mean()),
        ece=expected_calibration_error(probabilities, labels),
        nll=float(-true.clamp_min(1e-12).log().mean()),
    )


def confusion(probabilities: Tensor, labels: Tensor) -> Tensor:
    """(C, C) float64: share of row class's photos that are taken for the column class; zero rows without photos."""
    n_classes = probabilities.shape[1]
    pairs = labels * n_classes + probabilities.argmax(1)
    counts = torch.bincount(pairs, minlength=n_classes * n_classes).view(n_classes, n_classes).double()
    return counts / counts.sum(1, keepdim=True).clamp_min(1)


def confused_pairs(before: Tensor, after: Tensor, most: int = 10) -> list[Confused]:
    """The pairs of classes that are mistaken most after, worst first, and none that is not; two (C, C) confusions."""
    n_classes = len(before)
    worst = after.clone().fill_diagonal_(0)
    order = torch.sort(worst.flatten(), descending=True, stable=True).indices[:most]
    return [
        Confused(place // n_classes, place % n_classes, float(before.flatten()[place]), float(after.flatten()[place]))
        for place in order.tolist()
        if worst.flatten()[place] > 0
    ]


def coverage_curve(probabilities: Tensor, labels: Tensor, points: int = 100) -> list[tuple[float, float]]:
    """(share answered, share of those right) when only the most confident photos are answered, most confident first."""
    highest, answer = probabilities.double().max(1)
    order = torch.sort(highest, descending=True, stable=True).indices
    right = (answer == labels).double()[order].cumsum(0)
    n = len(labels)
    counts = sorted({max(1, round(n * step / points)) for step in range(1, points + 1)})
    return [(count / n, float(right[count - 1]) / count) for count in counts]
