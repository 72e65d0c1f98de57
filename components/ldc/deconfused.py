"""The pairs of classes that LDC separates or leaves confused, and how far its residual moves them."""

from __future__ import annotations

import torch
from torch import Tensor

from components.artefacts import Pair
from components.ldc.model import Outputs

__all__ = ["deconfused", "mean_residual"]


def mean_residual(outputs: Outputs, labels: Tensor) -> Tensor:
    """(K, K) float64: over the row class's photos, the mean residual of the column class minus that of the right class.

    Zero on the diagonal and in the rows of classes without photos.
    """
    residual = (outputs.icd - outputs.clip).double()
    against = residual - residual.gather(1, labels[:, None])
    return _mean_by_class(against, labels)


def deconfused(outputs: Outputs, scores: Tensor, labels: Tensor, most: int = 100) -> list[Pair]:
    """The pairs confused most, worst first, by the worse of before and after.

    Args:
        outputs: of n photos that the model was not trained on.
        scores: (n, K), LDC's answers: the same outputs, mixed.
        labels: (n,) int64.
        most: how many pairs at most.
    """
    n_classes = scores.shape[1]
    moved = mean_residual(outputs, labels)
    before, after = (
        _mean_by_class(torch.nn.functional.one_hot(logits.argmax(1), n_classes).double(), labels)
        for logits in (outputs.clip, scores)
    )
    worst = torch.maximum(before, after).fill_diagonal_(0).flatten()
    order = torch.sort(worst, descending=True, stable=True).indices[:most].tolist()
    places = [divmod(place, n_classes) for place in order if worst[place] > 0]
    return [
        Pair(row, column, float(before[row, column]), float(after[row, column]), float(moved[row, column]))
        for row, column in places
    ]


def _mean_by_class(rows: Tensor, labels: Tensor) -> Tensor:
    n_classes = rows.shape[1]
    sums = torch.zeros(n_classes, n_classes, dtype=torch.float64).index_add_(0, labels, rows)
    return sums / torch.bincount(labels, minlength=n_classes).clamp_min(1)[:, None]
