"""The gate for bundles: how a newly trained classifier answers the classes that were live before it."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from components.bank import Answering, Bank
from components.classifier import Bundle
from components.live.gate import require_none
from components.live.settings import GateSettings

__all__ = ["BundleVerdict", "judge_bundle"]


@dataclass(frozen=True)
class BundleVerdict:
    """The gate's verdict on a bundle, from photos that both classifiers held out when they were made.

    Attributes:
        n_photos: how many there are; 0 leaves nothing to compare, and nothing to refuse.
        right_before: share of them that the live classifier answers rightly, mean over classes, 0 to 1; NaN if there
            are none.
        right_after: the same of the new bundle with its bank.
        refusals: one sentence for each reason to refuse; empty if it passes.
    """

    n_photos: int
    right_before: float
    right_after: float
    refusals: tuple[str, ...]

    @property
    def told(self) -> str:
        """The comparison as a sentence for people."""
        if not self.n_photos:
            return "no photo was held out by both the old and the new classifier, so they could not be compared"
        return (
            f"of {self.n_photos} held-out photos of the classes that both know, {100 * self.right_before:.1f} % were "
            f"found before and {100 * self.right_after:.1f} % are now (mean over classes)"
        )

    def require(self) -> None:
        """Raise if the gate refused it.

        Raises:
            RefusedByGateError: with the first reason, and how many more there are.
        """
        require_none(
            self.refusals,
            on=f"the new classifier: {self.told}",
            remedy="add photos of what is mistaken, or overrule the gate with --force; until then all stays as it was",
        )


def judge_bundle(before: tuple[Bundle, Bank], after: tuple[Bundle, Bank], settings: GateSettings) -> BundleVerdict:
    """The verdict on a bundle that would replace the live one.

    Only photos that both held out count: answers by trained classes' heads that had not learnt from the photo, and by
    columns fitted without it. A photo that one of them learnt from would favour that one. Both answer the same photos,
    so the differences are judged, and a difference within its standard error counts as none. Each class has the same
    weight: a class with many photos must not hide the losses of many classes with few.

    Args:
        before: what is live.
        after: the new bundle, with its bank.
        settings: thresholds.
    """
    old, new = _answers(*before), _answers(*after)
    lost_of: dict[str, list[int]] = defaultdict(list)
    right_of: dict[str, list[int]] = defaultdict(list)
    for photo, (label, answer) in old.items():
        if photo in new and new[photo][0] == label:  # only one of them knows the class, or the photo was relabelled
            lost_of[label].append((answer == label) - (new[photo][1] == label))
            right_of[label].append(answer == label)
    if not lost_of:
        return BundleVerdict(0, math.nan, math.nan, ())
    lost, right = _mean(lost_of.values()), _mean(right_of.values())
    refusals = []
    if _surely(lost_of.values()) > settings.most_drop_bundle:
        refusals.append(
            f"the classes would lose {100 * lost:.1f} % of their photos by the new classifier; "
            f"at most {100 * settings.most_drop_bundle:.1f} % may be lost"
        )
    for name, losses in lost_of.items():
        if _surely([losses]) > settings.most_drop_class:
            refusals.append(f"{sum(losses)} of the {len(losses)} photos of {name} would no longer be found")
    n_photos = sum(len(losses) for losses in lost_of.values())
    return BundleVerdict(n_photos, right, right - lost, tuple(refusals))


def _mean(of_classes: Collection[Sequence[int]]) -> float:
    """Mean over classes of the mean of each."""
    return sum(sum(each) / len(each) for each in of_classes) / len(of_classes)


def _surely(lost_of: Collection[Sequence[int]]) -> float:
    """The mean loss over classes minus its standard error; a single photo is no evidence."""
    n = sum(len(each) for each in lost_of)
    if n < 2:
        return -math.inf
    mean = _mean(lost_of)
    # Each photo's weight is one over its class's number of photos.
    squares = sum((lost - mean) ** 2 / len(each) ** 2 for each in lost_of for lost in each)
    error = math.sqrt(squares * n / (n - 1)) / len(lost_of)
    return mean - error - 1e-9  # if one photo is lost both are equal, up to rounding


def _answers(bundle: Bundle, bank: Bank) -> dict[str, tuple[str, str]]:
    """For all held-out photos: photo to its class and to its answer, which is "" for unknown."""
    names = (*bundle.class_names, *bank.names)
    known = bank.known
    answers = Answering(bundle, bank).of_logits(known.logits).classes.tolist()
    rows = zip(bank.known_photos(bundle), known.labels.tolist(), answers, known.held_out.tolist(), strict=True)
    return {
        photo: (names[label], names[answer] if answer >= 0 else "")
        for photo, label, answer, held_out in rows
        if held_out
    }
