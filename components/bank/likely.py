"""The set of likely classes: as few as hold the right one for a promised share of photos.

Split conformal prediction with the class's own probability as score (Sadinle, Lei and Wasserman, "Least ambiguous
set-valued classifiers with bounded error levels", 2019). It is calibrated on photos whose scores come from heads that had
not seen them, so no further photo is needed. The promise is for photos like those of the support set.
"""

from __future__ import annotations

from itertools import islice

import numpy as np
import torch
from torch import Tensor

from components.liteembed import KnownClasses

__all__ = ["PROMISED", "likely_classes", "likely_places", "likely_threshold"]

PROMISED = 0.9
"""The promised share of photos of known classes whose class is among the likely ones."""

_MARGIN = 1e-4  # share of the threshold: rounding must not decide about the photo that the threshold was taken from


def likely_threshold(known: KnownClasses, promised: float = PROMISED) -> float | None:
    """The probability from which on a class is likely.

    Of n held-out photos, floor((1 - promised)(n + 1)) may have a class of their own that is less probable.

    Args:
        known: the classes with their photos.
        promised: 0 to 1.

    Returns:
        0 if there are too few held-out photos for the promise (9 for nine in ten): every class is then likely.
        None if no photo was held out, as with one photo per class.
    """
    rows = known.held_out
    n = int(rows.sum())
    if n == 0:
        return None
    own = torch.softmax(known.logits[rows].double(), 1).gather(1, known.labels[rows][:, None])[:, 0]
    n_below = int((1 - promised) * (n + 1) + 1e-9)
    return 0.0 if n_below == 0 else float(own.sort().values[n_below - 1]) * (1 - _MARGIN)


def likely_classes(
    probabilities: Tensor, abstained: Tensor, threshold: float | None, promised: float = PROMISED
) -> Tensor:
    """Which classes are likely, (n, C) bool.

    The answer is always among them. An unknown photo has no answer and may have no likely class at all.

    Args:
        probabilities: (n, C), calibrated.
        abstained: (n,) bool, the unknown photos.
        threshold: of `likely_threshold`. None: nothing was held out, so the probabilities are trusted; the most
            probable classes whose sum reaches `promised` are likely.
        promised: 0 to 1; used if there is no threshold.
    """
    if threshold is None:
        ranked, order = torch.sort(probabilities.double(), dim=1, descending=True, stable=True)
        before = ranked.cumsum(1) - ranked
        likely = torch.zeros_like(before, dtype=torch.bool).scatter_(1, order, before < promised)
    else:
        likely = probabilities.double() >= threshold
    answered = torch.nonzero(~abstained).flatten()
    likely[answered, probabilities[answered].argmax(1)] = True
    return likely


def likely_places(probabilities: Tensor, likely: Tensor) -> list[list[int]]:
    """For each photo the numbers of its likely classes, most probable first; (n, C) and (n, C) bool."""
    rows, classes = torch.nonzero(likely, as_tuple=True)
    order = np.lexsort((classes.numpy(), -probabilities[rows, classes].numpy(), rows.numpy()))
    places = iter(classes[torch.from_numpy(order)].tolist())
    return [list(islice(places, count)) for count in likely.sum(1).tolist()]
