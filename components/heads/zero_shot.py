"""Zero-shot: the classes' words alone (Radford et al., "Learning Transferable Visual Models", 2021, section 3.1)."""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor

from components.features.carriers import Features
from components.heads.protocol import Head, HeadState, text_of
from components.heads.support import Support

__all__ = ["ZeroShot"]


class ZeroShot(Head):
    """`logit_scale` times the cosine to each class's text embedding; learns nothing from photos.

    Attributes:
        text_embeddings_: (C, d) float32.
        logit_scale_: float.
    """

    name: ClassVar[str] = "zero_shot"
    prior_rank: ClassVar[int] = 3
    needs_text: ClassVar[bool] = True

    text_embeddings_: Tensor
    logit_scale_: float

    def fit(self, support: Support) -> Self:
        """Take the support set's text embeddings."""
        self.text_embeddings_ = text_of(support, self.name).float().contiguous()
        self.logit_scale_ = float(support.logit_scale)
        return self

    def scores(self, features: Features) -> Tensor:
        """(n, C) float32."""
        return self.logit_scale_ * (features.embedding @ self.text_embeddings_.T)

    def affine(self) -> tuple[Tensor, Tensor]:
        """See `Head.affine`."""
        weights = self.logit_scale_ * self.text_embeddings_
        return weights, weights.new_zeros(len(weights))

    def state(self) -> HeadState:
        """Text embeddings and scale."""
        return HeadState(self.name, {"text_embeddings": self.text_embeddings_}, {"logit_scale": self.logit_scale_})

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """See `Head.from_state`."""
        head = cls()
        head.text_embeddings_ = state.tensors["text_embeddings"]
        head.logit_scale_ = state.settings["logit_scale"]
        return head
