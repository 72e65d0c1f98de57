"""The seen-unseen curve: the known classes' loss and the new ones' gain as the new columns' offset grows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["SeenUnseen", "seen_unseen"]


@dataclass(frozen=True)
class SeenUnseen:
    """Accuracy on photos of known and of new classes under an offset common to all new columns.

    Accuracies are means over classes, 0 to 1, as in Xian et al., "Zero-shot learning - the good, the bad and the ugly"
    (CVPR 2017); the curve is that of Chao et al., "An empirical study and analysis of generalized zero-shot learning"
    (ECCV 2016).

    Attributes:
        offsets: (p,) float64, ascending, one between any two at which an answer changes.
        base: (p,) float64, accuracy on photos of known classes; falls.
        new: (p,) float64, accuracy on photos of new classes; rises.
        base_before: accuracy on photos of known classes without any new column.
        at_zero: base and new accuracy at offset 0.
    """

    offsets: Tensor
    base: Tensor
    new: Tensor
    base_before: float
    at_zero: tuple[float, float]

    @property
    def harmonic(self) -> Tensor:
        """(p,) float64: harmonic mean of base and new accuracy."""
        return 2 * self.base * self.new / (self.base + self.new).clamp_min(1e-12)

    @property
    def harmonic_at_zero(self) -> float:
        """Harmonic mean at offset 0."""
        base, new = self.at_zero
        return 2 * base * new / max(base + new, 1e-12)

    @property
    def area(self) -> float:
        """Area under base accuracy as a function of new accuracy (AUSUC), 0 to 1; higher is better."""
        return float(torch.trapezoid(self.base, self.new))

    @property
    def best_offset(self) -> float:
        """The offset with the highest harmonic mean; the middle one where several are equal."""
        harmonic = self.harmonic
        best = torch.nonzero(harmonic >= harmonic.max() - 1e-9).flatten()
        return float(self.offsets[best[len(best) // 2]])


def seen_unseen(
    known: tuple[Tensor, Tensor, Tensor], new: tuple[Tensor, Tensor, Tensor], n_known: int, n_new: int
) -> SeenUnseen:
    """The curve of photos of known and of new classes.

    Args:
        known: known logits (n, C), new columns' scores (n, K) and labels (n,) of photos of known classes.
        new: the same of photos of new classes: (m, C), (m, K), (m,).
        n_known: C.
        n_new: K.
    """
    known_right, known_margin = _right_and_margin(known[0], known[1], known[2] == known[0].argmax(1))
    new_right, new_margin = _right_and_margin(new[0], new[1], new[2] == new[1].argmax(1))
    known_share = _share_of_class(known[2], n_known) * known_right
    new_share = _share_of_class(new[2], n_new) * new_right
    changes = torch.cat([known_margin, new_margin]).unique()
    offsets = torch.cat([changes[:1] - 1, (changes[1:] + changes[:-1]) / 2, changes[-1:] + 1])
    # a known class's photo is answered rightly below its margin of the offset, a new class's photo above
    return SeenUnseen(
        offsets=offsets,
        base=float(known_share.sum()) - _sum_up_to(known_margin, known_share, offsets),
        new=_sum_up_to(new_margin, new_share, offsets),
        base_before=float(known_share.sum()),
        at_zero=(float(known_share[known_margin > 0].sum()), float(new_share[new_margin < 0].sum())),
    )


def _right_and_margin(known: Tensor, new: Tensor, right: Tensor) -> tuple[Tensor, Tensor]:
    return right.double(), (known.max(1).values - new.max(1).values).double()


def _share_of_class(labels: Tensor, n_classes: int) -> Tensor:
    counts = torch.bincount(labels, minlength=n_classes).double()
    return 1 / (counts[labels] * (counts > 0).sum())


def _sum_up_to(margin: Tensor, share: Tensor, offsets: Tensor) -> Tensor:
    order = margin.argsort()
    sums = torch.cat([torch.zeros(1, dtype=torch.float64), share[order].cumsum(0)])
    return sums[torch.searchsorted(margin[order].contiguous(), offsets)]
