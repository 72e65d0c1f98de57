"""The gate: the conditions that an arrival must meet before it goes live, in figures that a person can judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from components.bank import Answering
from components.errors import RefusedByGateError
from components.liteembed import Addition, KnownClasses, NewClasses
from components.live.settings import GateSettings

__all__ = ["GateVerdict", "KnownChange", "compare_known", "judge", "require_none"]


@dataclass(frozen=True)
class KnownChange:
    """What an arrival does to the answers to the photos of the classes before it.

    Attributes:
        n_photos: how many there are.
        changed: to how many of them `classify` now gives another answer: another class, or "unknown", or a class
            instead of "unknown".
        become_unknown: how many of those are unknown now.
        drop: what the share of right answers loses, mean over classes, -1 to 1; "unknown" is no right answer. The larger
            loss of two: of answers by heads and columns that had not seen the photo, and of those that `classify` gives.
    """

    n_photos: int
    changed: int
    become_unknown: int
    drop: float


@dataclass(frozen=True)
class GateVerdict:
    """The gate's verdict on an arrival.

    Attributes:
        base_drop: share of the known photos that are no longer answered rightly, mean over classes, 0 to 1.
        most_base_drop: the allowed `base_drop` for so many classes.
        recall: of each new class, 0 to 1; NaN with one photo.
        refusals: one sentence for each reason to refuse; empty if it passes.
        change: the answers to the known photos, one by one.
    """

    base_drop: float
    most_base_drop: float
    recall: dict[str, float]
    refusals: tuple[str, ...]
    change: KnownChange

    @property
    def told(self) -> str:
        """The loss of the known classes, as a sentence for people."""
        change = self.change
        if not change.changed:
            return f"the answers to the {change.n_photos} photos of the known classes stay as they were"
        unknown = f" ({change.become_unknown} of them unknown)" if change.become_unknown else ""
        return (
            f"of the {change.n_photos} photos of the known classes {change.changed} "
            f"{'is' if change.changed == 1 else 'are'} answered otherwise now{unknown}; "
            f"the known classes lose {100 * self.base_drop:.1f} % of their photos"
        )

    def require(self) -> None:
        """Raise if the gate refused it.

        Raises:
            RefusedByGateError: with the first reason, and how many more there are.
        """
        require_none(
            self.refusals,
            on=", ".join(self.recall),
            remedy="give other or more photos, another name, or overrule the gate with --force",
        )


def require_none(refusals: Sequence[str], *, on: str, remedy: str) -> None:
    """Raise if a gate has a reason to refuse.

    Raises:
        RefusedByGateError: with the first reason, and how many more there are.
    """
    if refusals:
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        raise RefusedByGateError(f"{refusals[0]}{more}", on=on, remedy=remedy)


def compare_known(before: Answering, after: Answering) -> KnownChange:
    """The answers to the photos of the classes before an arrival, without it and with it.

    Args:
        before: the classes without the arrival.
        after: the same with it; its bank's first photos are those of the bank before.
    """
    known = before.bank.known
    n = len(known.labels)
    rows = known.held_out if known.held_out.any() else torch.ones_like(known.held_out)
    unseen = _drop(
        before.of_logits(known.logits).classes[rows],
        after.of_logits(after.bank.known.logits[:n]).classes[rows],
        known.labels[rows],
    )
    was, now = before.to_known_photos().classes, after.to_known_photos().classes[:n]
    other = was != now
    return KnownChange(
        n_photos=n,
        changed=int(other.sum()),
        become_unknown=int((other & (now < 0)).sum()),
        drop=max(unseen, _drop(was, now, known.labels)),
    )


def _drop(before: Tensor, after: Tensor, labels: Tensor) -> float:
    """The loss of the share of right answers, mean over the classes that have photos."""
    lost = (before == labels).double() - (after == labels).double()
    counts = torch.bincount(labels)
    shares = torch.zeros(len(counts), dtype=torch.float64).index_add_(0, labels, lost) / counts.clamp_min(1)
    return float(shares[counts > 0].mean())


def judge(
    known: KnownClasses, new: NewClasses, addition: Addition, change: KnownChange, settings: GateSettings
) -> GateVerdict:
    """The verdict on an arrival, from the evidence of the form that would go live.

    Args:
        known: the classes before it.
        new: the arrival.
        addition: the columns that LiteEmbed made of it.
        change: what it does to the answers to known photos; see `compare_known`.
        settings: thresholds.
    """
    # The form's own evidence counts if it is worse: it does not know of "unknown".
    base_drop = max(addition.evidence[addition.form].base_drop, change.drop, 0.0)
    allowed = settings.most_drop.allowed(new.n_classes, known.n_classes)
    refusals = []
    # A single photo of a known class is no evidence, even if the class has few photos.
    if base_drop > max(allowed, 1.5 / max(1, int(known.held_out.sum()))):
        refusals.append(
            f"known classes would lose {100 * base_drop:.1f} % of their photos; "
            f"{new.n_classes} new class{'es' if new.n_classes > 1 else ''} may take {100 * allowed:.1f} %"
        )
    answers = torch.cat([new.known_logits, addition.on_new], 1).argmax(1)
    for label, each in enumerate(addition.classes):
        mine = answers[new.labels == label]
        if len(mine) < 2:
            continue
        rival = int(torch.bincount(mine[mine != known.n_classes + label], minlength=1).argmax())
        taken = float((mine == rival).float().mean())
        names = (*known.names, *new.names)
        if taken > settings.most_taken:
            refusals.append(f"{100 * taken:.0f} % of the photos of {each.name} are taken for {names[rival]}")
        elif each.recall < settings.least_recall:
            refusals.append(
                f"only {100 * each.recall:.0f} % of the photos of {each.name} are found when they are left out; "
                f"at least {100 * settings.least_recall:.0f} % must be"
            )
    recall = {each.name: each.recall for each in addition.classes}
    return GateVerdict(base_drop, allowed, recall, tuple(refusals), change)
