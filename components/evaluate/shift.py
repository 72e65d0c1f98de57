"""Whether new photos are unlike those that were learnt from: a test with a known rate of false alarms, and which photos.

A photo's distance is one less the cosine to the nearest photo that was learnt from, less what is usual in that photo's
class, so that a folder of one loosely photographed class raises no alarm. The same of each learnt photo, itself and its
near-duplicates left out, is the reference. Where nothing has changed, new and old distances are drawn alike; the rank-sum
test says how unlikely it is that the new ones are as much larger as they are (Mann and Whitney, "On a test of whether one of
two random variables is stochastically larger than the other", 1947). It asks for no label and no second model.

Photos in one folder resemble each other (one camera, one afternoon), which a test of independent photos does not know.
`LEVEL` is therefore strict; `benchmarks/shift.py` measures the false alarms that are left.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LEVEL", "Home", "Shift", "further_off"]

LEVEL = 0.001
"""The chance at which there is an alarm."""

_SHRINK = 4  # learnt photos whose weight the mean of all classes has beside a class's own
_CHUNK = 4096


@dataclass(frozen=True)
class Shift:
    """How far n photos lie from those that were learnt from.

    Attributes:
        p: the chance of distances as large where nothing has changed, 0 to 1; 1 without photos.
        further: the chance that one of these photos lies further off than a learnt one, 0 to 1; 0.5 is home.
        distances: (n,) float64, less what is usual in the class; higher is further.
        rank: (n,) share of the learnt photos that lie nearer than this photo, 0 to 1.
        nearest: (n,) int64, the row of the learnt photo that is nearest.
        classes: (n,) int64, its class.
    """

    p: float
    further: float
    distances: Tensor
    rank: Tensor
    nearest: Tensor
    classes: Tensor

    @property
    def alarm(self) -> bool:
        """The photos are unlike those that were learnt from."""
        return self.p < LEVEL

    def by_class(self) -> dict[int, tuple[int, float]]:
        """Class to how many photos are nearest to it, and the mean of their ranks; those with the highest mean first."""
        found = {}
        for label in self.classes.unique().tolist():
            own = self.rank[self.classes == label]
            found[label] = len(own), float(own.mean())
        return dict(sorted(found.items(), key=lambda each: -each[1][1]))


class Home:
    """The photos that were learnt from.

    Args:
        embeddings: (n, d) float32, unit length, n > 1.
        labels: (n,) int64.
        groups: (n,) int64, near-duplicates share one; None: none are.
    """

    def __init__(self, embeddings: Tensor, labels: Tensor, groups: Tensor | None = None) -> None:
        if len(embeddings) < 2:
            raise ValueError("there is nothing to compare with: a distance takes two photos")
        self._embeddings, self._labels = embeddings, labels
        groups = torch.arange(len(labels)) if groups is None else groups
        distance, nearest = self._nearest(embeddings, groups)
        known = distance.isfinite()  # photos of one group alone have no other
        classes = labels[nearest]
        distance, classes = distance[known], classes[known]
        n_classes = int(labels.max()) + 1
        count = torch.bincount(classes, minlength=n_classes).double()
        total = torch.zeros(n_classes, dtype=torch.float64).index_add_(0, classes, distance)
        mean = float(distance.mean()) if len(distance) else 0.0
        self._usual = (total + _SHRINK * mean) / (count + _SHRINK)
        without_itself = (total[classes] - distance + _SHRINK * mean) / (count[classes] - 1 + _SHRINK)
        self._reference = (distance - without_itself).sort().values

    def shift(self, embeddings: Tensor) -> Shift:
        """How far photos lie from home; (n, d) float32, unit length."""
        from scipy.stats import mannwhitneyu

        distance, nearest = self._nearest(embeddings, None)
        classes = self._labels[nearest]
        distances = distance - self._usual[classes]
        reference, n = self._reference, len(distances)
        rank = torch.searchsorted(reference, distances).double() / max(1, len(reference))
        if n == 0 or len(reference) == 0:
            return Shift(1.0, 0.5, distances, rank, nearest, classes)
        found = mannwhitneyu(distances.numpy(), reference.numpy(), alternative="greater")
        further = float(found.statistic) / (n * len(reference))
        return Shift(float(found.pvalue), further, distances, rank, nearest, classes)

    def _nearest(self, embeddings: Tensor, groups: Tensor | None) -> tuple[Tensor, Tensor]:
        """Distance (n,) float64 to the nearest learnt photo, of another group where groups are given, and its row."""
        distances, rows = [], []
        for start in range(0, len(embeddings), _CHUNK):
            similarity = embeddings[start : start + _CHUNK].float() @ self._embeddings.float().T
            if groups is not None:
                own = groups[start : start + _CHUNK]
                similarity[own[:, None] == groups] = -torch.inf
            best = similarity.max(1)
            distances.append(1 - best.values.double())
            rows.append(best.indices)
        if not rows:
            return torch.empty(0, dtype=torch.float64), torch.empty(0, dtype=torch.int64)
        return torch.cat(distances), torch.cat(rows)


def further_off(home: Tensor, new: Tensor) -> tuple[float, float]:
    """How one figure of photos has moved, whichever way: (chance that a new one is higher, two-sided p-value).

    Args:
        home: (n,) of learnt photos.
        new: (m,) of new ones.
    """
    from scipy.stats import mannwhitneyu

    if not len(home) or not len(new):
        return 0.5, 1.0
    found = mannwhitneyu(new.double().numpy(), home.double().numpy(), alternative="two-sided")
    return float(found.statistic) / (len(home) * len(new)), float(found.pvalue)
