"""The protocol of fitted heads: a head scores `Features` and can be saved."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

from torch import Tensor

from components.errors import UserInputError
from components.features.carriers import Features
from components.features.keys import LevelMode
from components.heads.support import Support

__all__ = ["UNRANKED", "Head", "HeadState", "text_of"]

UNRANKED = 100
"""The `prior_rank` of a head about which there is no prior knowledge."""


@dataclass(frozen=True)
class HeadState:
    """A fitted head as data.

    Attributes:
        name: the head's name in the registry.
        tensors: what was learnt, by name; contiguous, on the CPU.
        settings: what was chosen, JSON-able (numbers, strings, booleans, lists, None).
    """

    name: str
    tensors: dict[str, Tensor] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


class Head(Protocol):
    """A fitted head: it maps features to class scores, says what it needs, and can be saved.

    Names of learnt values end in an underscore. Heads subclass this for what most of them share;
    `components.classifier.registry` says how each is fitted.

    Attributes:
        name: in the registry, in metrics and in bundles.
        needs_text: it cannot be fitted without text embeddings.
        needs_levels: it cannot be fitted without feature levels.
        needs_pool: it cannot be fitted without photos that have no label.
        prior_rank: its place if there is no evidence to choose on, lowest first; by mean accuracy at one photo per
            class (docs/experiments/heads.md).
    """

    name: ClassVar[str]
    needs_text: ClassVar[bool] = False
    needs_levels: ClassVar[bool] = False
    needs_pool: ClassVar[bool] = False
    prior_rank: ClassVar[int] = UNRANKED

    @property
    def level_mode(self) -> LevelMode:
        """The form in which `scores` reads levels; finer ones are averaged."""
        return "pooled"

    def scores(self, features: Features) -> Tensor:
        """(n, C) float32: uncalibrated logits, higher is likelier."""
        ...

    def affine(self) -> tuple[Tensor, Tensor] | None:
        """Weights (C, d) and offsets (C,), float32, with `scores = embedding @ weights.T + offsets`, up to rounding.

        None if the head reads feature levels or is not affine (Tip-Adapter's exponential, MAP-LR's normalisation, LDC).
        """
        return None

    def state(self) -> HeadState:
        """The data from which `from_state` makes a head of the same scores, bit for bit."""
        ...

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """The head that `state` was taken from."""
        ...


def text_of(support: Support, head: str) -> Tensor:
    """The support set's text embeddings (C, d).

    Raises:
        UserInputError: where it has none.
    """
    if support.text_embeddings is None:
        raise UserInputError(
            "this head starts from class names, and the support set carries no text embeddings",
            on=f"head {head}",
            remedy="use a backbone with a text tower, or one of the heads that learn from photos alone",
        )
    return support.text_embeddings
