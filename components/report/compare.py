"""Compares two classifiers on the same photos: which became right or wrong, by class, and if that may be chance."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from components.artefacts import AnsweredPhoto
from components.report.page import percent
from components.report.shares import Share, mcnemar
from components.wording import counted

__all__ = ["ClassChange", "Comparison", "compare"]

_SURE = 0.05
_SURE_OF_DRAW = 0.02  # so strict that one set had 5 % false alarms; benchmarks/compare.py measures it on others
_TOLD_CLASSES = 8
_LEAST_CLASSES = 6  # with five classes the test over classes cannot fall below 0.05


@dataclass(frozen=True)
class ClassChange:
    """The changes to the photos of one class.

    Attributes:
        name: of the class.
        before: photos that the first answers rightly.
        after: those that the second does.
        became_right: photos that only the second answers rightly.
        became_wrong: photos that only the first answers rightly.
        taken_for: the answers to those that became wrong, most frequent first, with counts.
        p: of the paired test, times the number of classes (Bonferroni), at most 1.
    """

    name: str
    before: Share
    after: Share
    became_right: int
    became_wrong: int
    taken_for: list[tuple[str, int]]
    p: float


@dataclass(frozen=True)
class Comparison:
    """The differences between the answers of a first and a second classifier.

    Attributes:
        first: name of the first.
        second: likewise.
        before: common photos that the first answers rightly.
        after: those that the second does.
        became_right: photos that only the second answers rightly: the row of each classifier, the surest first.
        became_wrong: photos that only the first answers rightly, in the same form.
        classes: every class, the greatest loss first.
        only_first: number of photos that only the first was asked about.
        only_second: number of photos that only the second was asked about.
        p: of McNemar's exact paired test over photos, that these two classifiers are right equally often.
        p_of_draw: of the paired test over classes (`_p_over_classes`), that they differ only by the drawn training
            photos; NaN if fewer than six classes changed, since it then shows nothing.
    """

    first: str
    second: str
    before: Share
    after: Share
    became_right: list[tuple[AnsweredPhoto, AnsweredPhoto]]
    became_wrong: list[tuple[AnsweredPhoto, AnsweredPhoto]]
    classes: list[ClassChange]
    only_first: int
    only_second: int
    p: float
    p_of_draw: float

    @property
    def differs(self) -> bool:
        """Whether both paired tests show a difference, which the draw of training photos alone does not explain."""
        return self.p < _SURE and not self.p_of_draw >= _SURE_OF_DRAW

    @property
    def worse(self) -> list[str]:
        """Classes with a significant loss, the greatest loss first."""
        return [each.name for each in self.classes if each.p < _SURE and each.became_wrong > each.became_right]

    @property
    def verdict(self) -> str:
        """One sentence for people."""
        n = self.before.n
        if not n:
            return "no photo was asked of both, so they cannot be compared"
        moved = 100 * (self.after.share - self.before.share)
        return (
            f"of the same {counted(n, 'photo')} {self.first} answers {percent(self.before.share)} rightly and {self.second} "
            f"{percent(self.after.share)} ({moved:+.1f} points): {len(self.became_right)} became right, "
            f"{len(self.became_wrong)} became wrong; " + self._told_of_chance
        )

    @property
    def _told_of_chance(self) -> str:
        if self.p >= _SURE:
            return f"no difference is shown (p {_told_p(self.p)})"
        if self.differs:
            return f"more than chance (p {_told_p(self.p)})"
        return (
            f"on these photos more than chance (p {_told_p(self.p)}), but no more than another draw of the training photos "
            f"moves (p {_told_p(self.p_of_draw)})"
        )

    @property
    def told(self) -> list[str]:
        """Lines for people: the verdict, and the classes that changed."""
        lines = [self.verdict]
        changed = [each for each in self.classes if each.became_right or each.became_wrong]
        for each in changed[:_TOLD_CLASSES]:
            taken = ", ".join(f"{name} ({count})" for name, count in each.taken_for[:2])
            sure = "" if each.p >= _SURE else f"; more than chance (p {_told_p(each.p)}, for so many classes)"
            lines.append(
                f"  {each.name}: {each.before.count} of {each.before.n} right before, {each.after.count} now"
                + (f"; now taken for {taken}" if taken else "")
                + sure
            )
        if len(changed) > _TOLD_CLASSES:
            lines.append(f"  and {len(changed) - _TOLD_CLASSES} more classes changed")
        for name, n in ((self.first, self.only_first), (self.second, self.only_second)):
            if n:
                lines.append(f"  {counted(n, 'photo')} of {name} alone are left out")
        return lines

    def to_json(self) -> dict[str, Any]:
        """For scripts: `first`, `second`, `photos`, `right_before`, `right_after` (0 to 1), `became_right`, `became_wrong`
        (paths), `p`, `p_of_draw`, `differs`, `classes`."""
        return {
            "first": self.first,
            "second": self.second,
            "photos": self.before.n,
            "right_before": self.before.share if self.before.n else None,
            "right_after": self.after.share if self.after.n else None,
            "became_right": [first.path for first, _ in self.became_right],
            "became_wrong": [first.path for first, _ in self.became_wrong],
            "p": self.p,
            "p_of_draw": None if math.isnan(self.p_of_draw) else self.p_of_draw,
            "differs": self.differs,
            "classes": [
                {
                    "class": each.name,
                    "photos": each.before.n,
                    "right_before": each.before.count,
                    "right_after": each.after.count,
                    **{
                        name: value
                        for name, value in asdict(each).items()
                        if name in ("became_right", "became_wrong", "p")
                    },
                }
                for each in self.classes
            ],
            "only_first": self.only_first,
            "only_second": self.only_second,
        }


def compare(
    first: Sequence[AnsweredPhoto], second: Sequence[AnsweredPhoto], *, names: tuple[str, str] = ("A", "B")
) -> Comparison:
    """Compare the answers to photos that both have under the same class; photos are identified by their paths."""
    others = {photo.path: photo for photo in second}
    pairs = [
        (photo, others[photo.path])
        for photo in first
        if photo.path in others and others[photo.path].actual == photo.actual
    ]
    became_right = sorted((pair for pair in pairs if pair[1].right and not pair[0].right), key=_surest)
    became_wrong = sorted((pair for pair in pairs if pair[0].right and not pair[1].right), key=_surest)
    n = len(pairs)
    return Comparison(
        first=names[0],
        second=names[1],
        before=Share(sum(pair[0].right for pair in pairs), n),
        after=Share(sum(pair[1].right for pair in pairs), n),
        became_right=became_right,
        became_wrong=became_wrong,
        classes=_by_class(pairs),
        only_first=len(first) - n,
        only_second=len(second) - n,
        p=mcnemar(len(became_wrong), len(became_right)),
        p_of_draw=_p_over_classes(pairs),
    )


def _p_over_classes(pairs: Sequence[tuple[AnsweredPhoto, AnsweredPhoto]]) -> float:
    """P-value of the exact or sampled sign-flip test that each class is as likely to have gained as to have lost.

    The draw of training photos affects all photos of a class together, so photos are not independent evidence for one
    recipe over another; classes nearly are. Fisher, "The Design of Experiments", 1935, section 21.
    """
    gained: Counter[str] = Counter()
    for before, after in pairs:
        gained[before.actual] += after.right - before.right
    moved = [float(count) for count in gained.values() if count]
    if len(moved) < _LEAST_CLASSES:
        return math.nan
    from scipy.stats import permutation_test

    found = permutation_test(
        (np.array(moved),),
        lambda sample, axis: np.sum(sample, axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=4999,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def _by_class(pairs: Sequence[tuple[AnsweredPhoto, AnsweredPhoto]]) -> list[ClassChange]:
    members: dict[str, list[tuple[AnsweredPhoto, AnsweredPhoto]]] = {}
    for pair in pairs:
        members.setdefault(pair[0].actual, []).append(pair)
    changes = []
    for name, own in members.items():
        lost = [after for before, after in own if before.right and not after.right]
        gained = sum(after.right and not before.right for before, after in own)
        changes.append(
            ClassChange(
                name,
                Share(sum(before.right for before, _ in own), len(own)),
                Share(sum(after.right for _, after in own), len(own)),
                gained,
                len(lost),
                Counter(after.answer for after in lost).most_common(),
                min(1.0, mcnemar(len(lost), gained) * len(members)),
            )
        )
    return sorted(changes, key=lambda each: (each.became_right - each.became_wrong, -each.became_wrong, each.name))


def _surest(pair: tuple[AnsweredPhoto, AnsweredPhoto]) -> tuple[float, str]:
    return -pair[1].probability, pair[1].path


def _told_p(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"= {p:.3f}" if p < 0.1 else f"= {p:.2f}"
