"""Whether there are enough photos: what twice as many would bring, from refits at fewer photos per class.

The error falls about as a power of the number of photos (Cortes et al., "Learning Curves: Asymptotic Values and Rate of
Convergence", NIPS 1993). MAP-LR is fitted on random parts of the support set, measured on the rest of it, and the line
through the logarithms of sizes and errors is followed to twice the photos. How much the line moves from drawing to drawing
is the promise's uncertainty.

A single class has too few photos for a line of its own. Its errors are assumed to fall as those of all classes do. How
many more or fewer errors than the average class it has is measured on its own left-out photos, and shrunk to the
average, which counts like two expected errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import mean, stdev

import torch
from torch import Tensor

from components.heads import Support
from components.heads.map_lr import MapLR

__all__ = ["ClassPromise", "Promise", "promise_of_more"]

_SHARES = (0.25, 0.5, 0.75)
_DRAWINGS = 3
_LEAST_SHOTS = 4  # the three sizes below the full one
_STEEPEST = 1.0  # slope of the error's logarithm; with few sizes it may be steeper by chance
_MOST_PHOTOS = 4000
_PRIOR_ERRORS = 2.0  # the average of all classes counts like so many expected errors


@dataclass(frozen=True)
class ClassPromise:
    """What twice as many photos of every class are expected to bring for one class.

    Attributes:
        label: its number.
        gain: share of its photos that will be answered rightly and are not now, 0 to 1.
        spread: standard deviation of that.
    """

    label: int
    gain: float
    spread: float


@dataclass(frozen=True)
class Promise:
    """What twice as many photos are expected to bring.

    Attributes:
        shots: photos per class now, the median.
        more: further photos per class.
        now: expected share of right answers with `shots`, 0 to 1.
        then: the same with `shots + more`.
        spread: standard deviation of the gain over drawings.
        classes: the gain of each class, in the order of labels.
    """

    shots: int
    more: int
    now: float
    then: float
    spread: float
    classes: tuple[ClassPromise, ...] = ()

    @property
    def gain(self) -> float:
        """Share of right answers that is gained, at least 0."""
        return max(0.0, self.then - self.now)


def promise_of_more(support: Support) -> Promise | None:
    """The promise for twice the photos; None if a class has too few photos, or if there is only one class.

    Args:
        support: without query photos; each image counts once.
    """
    clean = support.clean
    counts = torch.bincount(clean.labels, minlength=clean.n_classes)
    shots = int(counts.median())
    if clean.n_classes < 2 or int(counts.min()) < _LEAST_SHOTS or len(clean) > _MOST_PHOTOS:
        return None
    sizes = sorted({max(1, round(share * shots)) for share in _SHARES})
    lines, wrong, expected = [], torch.zeros(clean.n_classes), torch.zeros(clean.n_classes)
    for drawing in range(_DRAWINGS):
        errors = []
        for place, size in enumerate(sizes):
            missed, asked = _missed(clean, size, 1000 * support.seed + 10 * drawing + place)
            # half a photo: no mistake among so few photos does not prove an error of zero
            errors.append((float(missed.sum()) + 0.5) / (float(asked.sum()) + 1))
            wrong += missed
            expected += errors[-1] * asked
        lines.append(_line(sizes, errors))
    now, then = ([_at(line, size) for line in lines] for size in (shots, 2 * shots))
    gains = [before - after for before, after in zip(now, then, strict=True)]
    gain, spread = max(0.0, mean(gains)), stdev(gains)
    # the drawings ask about the same photos again and again
    classes = _by_class(wrong / _DRAWINGS, expected / _DRAWINGS, gain, spread)
    return Promise(shots, shots, 1 - mean(now), 1 - mean(then), spread, classes)


def _by_class(wrong: Tensor, expected: Tensor, gain: float, spread: float) -> tuple[ClassPromise, ...]:
    """Each class's share in the gain: the ratio of its errors to the expected ones, both (C,)."""
    found = []
    for label, (own, usual) in enumerate(zip(wrong.tolist(), expected.tolist(), strict=True)):
        times = (own + _PRIOR_ERRORS) / (usual + _PRIOR_ERRORS)
        unsure = math.sqrt(own + _PRIOR_ERRORS) / (usual + _PRIOR_ERRORS)
        found.append(ClassPromise(label, min(1.0, times * gain), math.hypot(unsure * gain, times * spread)))
    return tuple(found)


def _missed(clean: Support, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Wrong answers to each class's photos outside `size` random ones, and the number of such photos; both (C,)."""
    chosen = torch.zeros(len(clean), dtype=torch.bool)
    generator = torch.Generator().manual_seed(seed)
    for label in range(clean.n_classes):
        members = torch.nonzero(clean.labels == label).flatten()
        chosen[members[torch.randperm(len(members), generator=generator)[: min(size, len(members) - 1)]]] = True
    left = clean.rows(~chosen)
    answers = MapLR().fit(clean.rows(chosen)).scores(left.features).argmax(1)
    wrong = torch.bincount(left.labels[answers != left.labels], minlength=clean.n_classes)
    return wrong.float(), torch.bincount(left.labels, minlength=clean.n_classes).float()


def _line(sizes: list[int], errors: list[float]) -> tuple[float, float]:
    """Height and slope of the line through the logarithms; the slope is negative and limited."""
    x = torch.tensor(sizes, dtype=torch.float64).log()
    y: Tensor = torch.tensor(errors, dtype=torch.float64).log()
    weights = torch.tensor(sizes, dtype=torch.float64)  # points near the extrapolated size have the largest weight
    weights = weights / weights.sum()
    centre = (weights * x).sum()
    slope = float((weights * (x - centre) * y).sum() / (weights * (x - centre).square()).sum())
    slope = min(0.0, max(-_STEEPEST, slope))
    return float((weights * y).sum()) - slope * float(centre), slope


def _at(line: tuple[float, float], size: int) -> float:
    height, slope = line
    return min(1.0, math.exp(height + slope * math.log(size)))
