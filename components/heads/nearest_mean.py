"""Nearest mean: the cosine to each class's mean embedding (Snell et al., "Prototypical Networks", 2017)."""

from __future__ import annotations

from typing import ClassVar, Self

from torch import Tensor
from torch.nn.functional import normalize

from components.features.carriers import Features
from components.heads.gaussian import class_means
from components.heads.protocol import Head, HeadState
from components.heads.support import Support

__all__ = ["NearestMean"]


class NearestMean(Head):
    """`logit_scale` times the cosine to the class mean.

    Attributes:
        means_: (C, d) float32, unit length.
        logit_scale_: float.
    """

    name: ClassVar[str] = "nearest_mean"
    prior_rank: ClassVar[int] = 5

    means_: Tensor
    logit_scale_: float

    def fit(self, support: Support) -> Self:
        """Average each class's images."""
        images = support.image_means
        self.means_ = normalize(class_means(images.features.embedding, images.labels, images.n_classes), dim=1)
        self.logit_scale_ = float(support.logit_scale)
        return self

    def scores(self, features: Features) -> Tensor:
        """(n, C) float32."""
        return self.logit_scale_ * (features.embedding @ self.means_.T)

    def affine(self) -> tuple[Tensor, Tensor]:
        """See `Head.affine`."""
        weights = self.logit_scale_ * self.means_
        return weights, weights.new_zeros(len(weights))

    def state(self) -> HeadState:
        """Class means and scale."""
        return HeadState(self.name, {"means": self.means_}, {"logit_scale": self.logit_scale_})

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """See `Head.from_state`."""
        head = cls()
        head.means_, head.logit_scale_ = state.tensors["means"], state.settings["logit_scale"]
        return head
