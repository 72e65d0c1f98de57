"""Whether new photos are unlike the learnt ones, and which: a test with a known rate of false alarms.

A photo's distance is 1 minus the cosine to the nearest learnt photo, minus the usual distance in that photo's class, so
that a folder of one loosely photographed class raises no alarm. The reference is the same distance of each learnt
photo, with itself and its near-duplicates left out. If nothing has changed, new and old distances have one
distribution; the rank-sum test says how unlikely it is that the new ones are so much larger (Mann and Whitney, "On a
test of whether one of two random variables is stochastically larger than the other", 1947). It asks for no label and no
second model.

Photos in one folder resemble each other (one camera, one afternoon), which a test of independent photos does not know.
`LEVEL` is therefore strict; `benchmarks/shift.py` measures the false alarms that remain.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LEVEL", "Home", "Shift", "further_off"]

LEVEL = 0.001
"""A p-value below this raises the alarm."""

_SHRINK = 4  # the mean of all classes counts like so many of a class's own photos
_CHUNK = 4096


@dataclass(frozen=True)
class Shift:
    """How far n photos lie from the learnt ones.

    Attributes:
        p: the chance of distances as large where nothing has changed, 0 to 1; 1 without photos.
        further: the chance that one of these photos lies further off than a learnt one, 0 to 1; 0.5 if nothing has
            changed.
        distances: (n,) float64, minus the usual distance in the class; higher is further.
        rank: (n,) share of the learnt photos that lie nearer than this photo, 0 to 1.
        nearest: (n,) int64, the row of the learnt photo that is nearest.
        classes: (n,) int64, the class of that learnt photo.
    """

    p: float
    further: float
    distances: Tensor
    rank: Tensor
    nearest: Tensor
    classes: Tensor

    @property
    def alarm(self) -> bool:
        """Whether the photos are unlike the learnt ones."""
        return self.p < LEVEL

    def by_class(self) -> dict[int, tuple[int, float]]:
        """Class to the number of photos nearest to it and the mean of their ranks; the highest mean comes first."""
        found = {}
        for label in self.classes.unique().tolist():
            own = self.rank[self.classes == label]
            found[label] = len(own), float(own.mean())
        return dict(sorted(found.items(), key=lambda each: -each[1][1]))


class Home:
    """The learnt photos, as a reference.

    Args:
        embeddings: (n, d) float32, unit length, n > 1.
        labels: (n,) int64.
        groups: (n,) int64, near-duplicates share one; None: there are no near-duplicates.
    """

    def __init__(self, embeddings: Tensor, labels: Tensor, groups: Tensor | None = None) -> None:
        if len(embeddings) < 2:
            raise ValueError("there is nothing to compare with: a distance takes two photos")
        self._embeddings, self._labels = embeddings, labels
        groups = torch.arange(len(labels)) if groups is None else groups
        distance, nearest = self._nearest(embeddings, groups)
        known = distance.isfinite()  # all photos are of one group: none has a photo of another group
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
        """How far photos lie from the learnt ones; (n, d) float32, unit length."""
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
    """How one figure of photos has moved, up or down: (chance that a new photo's is higher, two-sided p-value).

    Args:
        home: (n,) of learnt photos.
        new: (m,) of new ones.
    """
    from scipy.stats import mannwhitneyu

    if not len(home) or not len(new):
        return 0.5, 1.0
    found = mannwhitneyu(new.double().numpy(), home.double().numpy(), alternative="two-sided")
    return float(found.statistic) / (len(home) * len(new)), float(found.pvalue)
