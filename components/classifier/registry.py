"""Every head by its name: what it is once it is fitted, and how it is fitted. A new head is a file and a line here."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, Self

from components.errors import UserInputError
from components.heads import (
    GDA,
    Head,
    HeadState,
    LinearProbe,
    LinearProbeLevels,
    MapLR,
    NearestMean,
    Support,
    TipAdapter,
    TipAdapterF,
    ZeroShot,
)
from components.ldc import LdcHead, fit_ldc

__all__ = ["CLASSIFIER_HEADS", "HEADS", "HeadKind", "fit_head", "head_from_state", "head_kind", "usable_heads"]


class _FitsItself(Head, Protocol):
    def fit(self, support: Support) -> Self: ...


@dataclass(frozen=True)
class HeadKind:
    """A kind of head.

    Attributes:
        head: the class of what is fitted; it has the name and says what it needs.
        fit: learns from a support set; hyper-parameters are chosen on its folds or fixed beforehand.
        own_stage: a stage of its own fits it, and hands it to the stage classifier with its out-of-fold logits.
    """

    head: type[Head]
    fit: Callable[[Support], Head]
    own_stage: bool = False


def _by_itself(head: type[_FitsItself]) -> HeadKind:
    return HeadKind(head, lambda support: head().fit(support))


HEADS: dict[str, HeadKind] = {
    kind.head.name: kind
    for kind in (
        _by_itself(ZeroShot),
        _by_itself(NearestMean),
        _by_itself(LinearProbe),
        _by_itself(LinearProbeLevels),
        _by_itself(TipAdapter),
        _by_itself(TipAdapterF),
        _by_itself(GDA),
        _by_itself(MapLR),
        HeadKind(LdcHead, lambda support: fit_ldc(support).head, own_stage=True),
    )
}

CLASSIFIER_HEADS = tuple(name for name, kind in HEADS.items() if not kind.own_stage)
"""Those that the stage classifier fits."""


def head_kind(name: str) -> HeadKind:
    """The head of that name.

    Raises:
        UserInputError: there is none.
    """
    if name not in HEADS:
        raise UserInputError(f'there is no head "{name}"', on="heads", remedy=f"use some of {', '.join(HEADS)}")
    return HEADS[name]


def fit_head(name: str, support: Support) -> Head:
    """The head of that name, fitted.

    Raises:
        UserInputError: there is none, or the support set lacks the words or levels that it needs.
    """
    return head_kind(name).fit(support)


def head_from_state(state: HeadState) -> Head:
    """The fitted head that a state was taken from, whatever its kind."""
    return head_kind(state.name).head.from_state(state)


def usable_heads(support: Support, names: Iterable[str]) -> list[str]:
    """Of the named heads those that this support set can feed: words and levels are there."""
    return [
        name
        for name in names
        if not (head_kind(name).head.needs_text and support.text_embeddings is None)
        and not (head_kind(name).head.needs_levels and not support.features.levels)
    ]
