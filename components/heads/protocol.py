"""What every head is: something that learns from a `Support`, scores `Features`, and can be written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, Self

from torch import Tensor

from components.errors import UserInputError
from components.features.carriers import Features
from components.features.keys import LevelMode
from components.heads.support import Support

__all__ = ["Head", "HeadState", "level_mode_of", "text_of"]


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
    """Maps features to class scores. What `fit` learns ends in an underscore.

    Attributes:
        name: in the registry, in metrics and in bundles.
        needs_text: it cannot be fitted without text embeddings.
    """

    name: ClassVar[str]
    needs_text: ClassVar[bool]

    def fit(self, support: Support) -> Self:
        """Learn from the support set; hyper-parameters are chosen on its folds or fixed beforehand."""
        ...

    def scores(self, features: Features) -> Tensor:
        """(n, C) float32: uncalibrated logits, higher is likelier."""
        ...

    def state(self) -> HeadState:
        """What `from_state` needs to give the same scores, bit for bit."""
        ...

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """The head that `state` was taken from."""
        ...


def level_mode_of(head: Head) -> LevelMode:
    """The form in which a fitted head reads levels: its attribute `level_mode`, or `pooled`."""
    mode: LevelMode = getattr(head, "level_mode", "pooled")
    return mode


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
