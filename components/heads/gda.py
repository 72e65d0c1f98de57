"""GDA (Wang et al., "A Hard-to-Beat Baseline for Training-free CLIP-based Adaptation", ICLR 2024)."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor

from components.features.carriers import Features
from components.heads.gaussian import class_means, within_class_covariance
from components.heads.pooling import first_of_the_best, tempered_log_loss
from components.heads.protocol import Head, HeadState
from components.heads.support import Support

__all__ = ["GDA"]

_BLENDS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # the published grid
_DEFAULT_BLEND = 0.01  # used if there are no folds
_TIE = 1e-6  # nats; a smaller difference counts as equal, and the weaker blend is taken


class GDA(Head):
    """Gaussian discriminant analysis with one shrunk covariance, added to zero-shot where there are words.

    Precision as published (section 3.2): `d inv((n - 1) S + tr(S) I)` with `S` the covariance of rows about their
    class means. The blend with zero-shot, which the publication tunes on the validation split, is chosen on folds.

    Attributes:
        weight_: (d, C) float32, `bias_`: (C,) float32, zero-shot and blend already inside.
        blend_: weight of the Gaussian part; 1 without text.
    """

    name: ClassVar[str] = "gda"
    prior_rank: ClassVar[int] = 4

    weight_: Tensor
    bias_: Tensor
    blend_: float

    def fit(self, support: Support) -> Self:
        """Fit in closed form; folds choose the blend only."""
        images = support.image_means
        weight, bias = _discriminant(images.features.embedding, images.labels, images.n_classes)
        self.blend_ = 1.0
        if images.text_embeddings is not None:
            self.blend_ = _chosen_blend(images)
            zero_shot = images.logit_scale * images.text_embeddings.double().T
            weight, bias = zero_shot + self.blend_ * weight, self.blend_ * bias
        self.weight_, self.bias_ = weight.float().contiguous(), bias.float()
        return self

    def scores(self, features: Features) -> Tensor:
        """(n, C) float32."""
        return torch.addmm(self.bias_, features.embedding, self.weight_)

    def affine(self) -> tuple[Tensor, Tensor]:
        """See `Head.affine`."""
        return self.weight_.T.contiguous(), self.bias_

    def state(self) -> HeadState:
        """The single linear map that equals the whole head."""
        return HeadState(self.name, {"weight": self.weight_, "bias": self.bias_}, {"blend": self.blend_})

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """See `Head.from_state`."""
        head = cls()
        head.weight_, head.bias_ = state.tensors["weight"], state.tensors["bias"]
        head.blend_ = state.settings["blend"]
        return head


def _discriminant(embedding: Tensor, labels: Tensor, n_classes: int) -> tuple[Tensor, Tensor]:
    rows, (n, d) = embedding.double(), embedding.shape
    S, freedom = within_class_covariance(rows, labels, n_classes)
    S = S * (max(freedom, 1) / max(n - 1, 1))
    if S.trace() <= 1e-12:  # one photo per class: the spread is unknown
        S = torch.eye(d, dtype=torch.float64) / d
    means = class_means(rows, labels, n_classes)
    weight = d * torch.linalg.solve((n - 1) * S + S.trace() * torch.eye(d, dtype=torch.float64), means.T)
    return weight, -0.5 * (means.T * weight).sum(0)


def _chosen_blend(images: Support) -> float:
    """The blend of the published grid with the lowest log-loss on held-out folds, each at its own best temperature."""
    assert images.text_embeddings is not None
    folds = images.folds[0]
    if (folds < 0).all():
        return _DEFAULT_BLEND
    held_out_labels, parts = [], []
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        if not held_out.any():
            continue
        rows = images.features.embedding[held_out].double()
        weight, bias = _discriminant(images.features.embedding[~held_out], images.labels[~held_out], images.n_classes)
        parts.append((images.logit_scale * rows @ images.text_embeddings.double().T, rows @ weight + bias))
        held_out_labels.append(images.labels[held_out])
    labels = torch.cat(held_out_labels)
    zero_shot, gaussian = (torch.cat(each) for each in zip(*parts, strict=True))
    losses = [tempered_log_loss(zero_shot + blend * gaussian, labels)[0] for blend in _BLENDS]
    return _BLENDS[first_of_the_best(losses, _TIE)]
