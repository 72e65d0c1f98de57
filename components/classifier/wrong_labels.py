"""Labels that are probably wrong: a photo's left-out answer contradicts its label with confidence.

The order is cleanlab's for label quality, the normalised margin (Northcutt, Jiang and Chuang, "Confident Learning:
Estimating Uncertainty in Dataset Labels", JAIR 2021): the probability of the label less the highest of the others. It
takes two lines here; cleanlab would make every training import scikit-learn and pandas.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["DoubtfulLabel", "doubtful_labels"]


@dataclass(frozen=True)
class DoubtfulLabel:
    """A labelled photo that heads which had not seen it answer with another class.

    Attributes:
        row: of the logits.
        label: its class.
        taken_for: the likeliest other class.
        margin: probability of its label less that of the other, -1 to 1; the lower, the more doubtful.
    """

    row: int
    label: int
    taken_for: int
    margin: float


def doubtful_labels(logits: Tensor, labels: Tensor, temperature: float, top: int) -> list[DoubtfulLabel]:
    """The `top` labels that the left-out answers contradict most, most doubtful first; fewer if fewer are contradicted.

    Args:
        logits: (n, C), of photos by heads that had not seen them; rows with NaN are left out.
        labels: (n,) int64.
        temperature: logits divided by it are calibrated.
        top: how many at most.
    """
    probabilities = torch.softmax(logits.double() / temperature, 1)
    rows = torch.arange(len(labels))
    own = probabilities[rows, labels]
    others = probabilities.clone()
    others[rows, labels] = -1.0
    highest, taken_for = others.max(1)
    margin = own - highest
    wanted = torch.nonzero(margin < 0).flatten()  # a comparison with NaN is False
    order = wanted[torch.argsort(margin[wanted], stable=True)][:top]
    return [DoubtfulLabel(int(row), int(labels[row]), int(taken_for[row]), float(margin[row])) for row in order]
