"""Every head by its name: those of this room, and those of other rooms that have registered."""

from __future__ import annotations

from collections.abc import Iterable

from components.errors import UserInputError
from components.heads.gda import GDA
from components.heads.linear_probe import LinearProbe, LinearProbeLevels
from components.heads.map_lr import MapLR
from components.heads.nearest_mean import NearestMean
from components.heads.protocol import Head, HeadState
from components.heads.support import Support
from components.heads.tip_adapter import TipAdapter, TipAdapterF
from components.heads.zero_shot import ZeroShot

__all__ = ["HEADS", "head_class", "head_from_state", "register_head", "usable_heads"]

HEADS: dict[str, type[Head]] = {
    head.name: head
    for head in (
        ZeroShot,
        NearestMean,
        LinearProbe,
        LinearProbeLevels,
        TipAdapter,
        TipAdapterF,
        GDA,
        MapLR,
    )
}


_BY_NAME = dict(HEADS)


def register_head(head: type[Head]) -> None:
    """Make a head of another room known by its name, so that what was saved of it can be read back."""
    _BY_NAME[head.name] = head


def head_class(name: str) -> type[Head]:
    """The head of that name.

    Raises:
        UserInputError: where there is none.
    """
    if name not in _BY_NAME:
        raise UserInputError(f'there is no head "{name}"', on="heads", remedy=f"use some of {', '.join(_BY_NAME)}")
    return _BY_NAME[name]


def head_from_state(state: HeadState) -> Head:
    """The fitted head that a state was taken from, whatever its kind."""
    return head_class(state.name).from_state(state)


def usable_heads(support: Support, names: Iterable[str] | None = None) -> list[str]:
    """Of the named heads (all where None) those that this support set can fit: words and levels are there."""
    names = list(HEADS) if names is None else list(names)
    return [
        name
        for name in names
        if not (head_class(name).needs_text and support.text_embeddings is None)
        and not (name == LinearProbeLevels.name and not support.features.levels)
    ]
