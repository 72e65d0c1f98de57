"""The gate: what an arrival must show before it goes live, in figures that a person can judge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from components.errors import RefusedByGateError
from components.liteembed import Addition, KnownClasses, NewClasses
from components.live.settings import GateSettings

__all__ = ["GateVerdict", "judge", "require_none"]


@dataclass(frozen=True)
class GateVerdict:
    """What the gate says of an arrival.

    Attributes:
        base_drop: share of the known photos that the new columns take, mean over classes, 0 to 1.
        most_base_drop: what was allowed for so many classes.
        recall: of each new class, 0 to 1; NaN with one photo.
        refusals: why not, one sentence each; empty: it passes.
    """

    base_drop: float
    most_base_drop: float
    recall: dict[str, float]
    refusals: tuple[str, ...]

    def require(self) -> None:
        """Refuse what did not pass.

        Raises:
            RefusedByGateError: with the first reason, and how many more there are.
        """
        require_none(
            self.refusals,
            on=", ".join(self.recall),
            remedy="give other or more photos, another name, or overrule the gate with --force",
        )


def require_none(refusals: Sequence[str], *, on: str, remedy: str) -> None:
    """Raise what a gate found, if anything.

    Raises:
        RefusedByGateError: with the first reason, and how many more there are.
    """
    if refusals:
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        raise RefusedByGateError(f"{refusals[0]}{more}", on=on, remedy=remedy)


def judge(known: KnownClasses, new: NewClasses, addition: Addition, settings: GateSettings) -> GateVerdict:
    """The verdict on an arrival, from the evidence of the form that would go live.

    Args:
        known: the classes before it.
        new: the arrival.
        addition: what it came to.
        settings: thresholds.
    """
    evidence = addition.evidence[addition.form]
    share = min(1.0, (new.n_classes - 1) / max(1, known.n_classes - 1))
    allowed = settings.most_drop_one + share * (settings.most_drop_many - settings.most_drop_one)
    refusals = []
    # One photo of a known class is no evidence, however few there are of it.
    if evidence.base_drop > max(allowed, 1.5 / max(1, int(known.held_out.sum()))):
        refusals.append(
            f"known classes would lose {100 * evidence.base_drop:.1f} % of their photos; "
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
    return GateVerdict(evidence.base_drop, allowed, recall, tuple(refusals))
