"""Linear probes: multinomial logistic regression on the embedding, or on all levels and the embedding."""

from __future__ import annotations

from typing import ClassVar, Self

import torch
from torch import Tensor

from components.errors import UserInputError
from components.features.carriers import Features
from components.heads.pooling import first_of_the_best, tempered_log_loss
from components.heads.protocol import UNRANKED, Head, HeadState
from components.heads.softmax import softmax_regression
from components.heads.support import Support

__all__ = ["LinearProbe", "LinearProbeLevels"]

_PENALTIES = (
    1.0,
    0.1,
    0.01,
)  # 1 / C in scikit-learn's words, for inputs of mean square length 1; strongest first, and so preferred
_DEFAULT_PENALTY = 0.1  # used if there are no folds
_TIE = 1e-6  # nats; a smaller difference counts as equal
_FOLDS_LOOKED_AT = 2
_ROWS_ENOUGH = 150  # held-out rows beyond which further folds would not change which of three penalties is best


class LinearProbe(Head):
    """Logistic regression on centred embeddings of mean square length 1.

    The penalty is the one of three with the lowest log-loss, after temperature, on held-out folds of the support set.
    That temperature is multiplied into the weights: fits on other folds may choose another penalty, whose logits are
    many times as large, and a temperature found on these folds would not calibrate them.

    Attributes:
        shift_, scale_: (p,) float32; inputs become `(x - shift) * scale`.
        weight_: (p, C) float32, `bias_`: (C,) float32.
        penalty_: float, the one chosen.
    """

    name: ClassVar[str] = "linear_probe"
    prior_rank: ClassVar[int] = 2

    shift_: Tensor
    scale_: Tensor
    weight_: Tensor
    bias_: Tensor
    penalty_: float

    def fit(self, support: Support) -> Self:
        """Choose the penalty on folds, then fit on all images."""
        images = support.image_means
        raw = self._inputs(images.features)
        self.shift_, self.scale_ = self._standardisation(raw)
        inputs = (raw - self.shift_) * self.scale_
        self.penalty_, loudness = _chosen_penalty(inputs, images)
        weight, bias = softmax_regression(inputs, images.labels, images.n_classes, penalty=self.penalty_)
        self.weight_, self.bias_ = loudness * weight, loudness * bias
        return self

    def scores(self, features: Features) -> Tensor:
        """(n, C) float32."""
        return torch.addmm(self.bias_, (self._inputs(features) - self.shift_) * self.scale_, self.weight_)

    def affine(self) -> tuple[Tensor, Tensor] | None:
        """See `Head.affine`."""
        weight = self.scale_[:, None].double() * self.weight_.double()
        offsets = self.bias_.double() - self.shift_.double() @ weight
        return weight.T.float().contiguous(), offsets.float()

    def state(self) -> HeadState:
        """Standardisation, weights, bias and the penalty chosen."""
        tensors = {"shift": self.shift_, "scale": self.scale_, "weight": self.weight_, "bias": self.bias_}
        return HeadState(self.name, tensors, {"penalty": self.penalty_})

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """See `Head.from_state`."""
        head = cls()
        head.shift_, head.scale_ = state.tensors["shift"], state.tensors["scale"]
        head.weight_, head.bias_ = state.tensors["weight"], state.tensors["bias"]
        head.penalty_ = state.settings["penalty"]
        return head

    @staticmethod
    def _inputs(features: Features) -> Tensor:
        return features.embedding

    @staticmethod
    def _standardisation(raw: Tensor) -> tuple[Tensor, Tensor]:
        shift = raw.mean(0)
        length = (raw - shift).square().sum(1).mean().sqrt().clamp_min(1e-6)
        return shift, (1 / length).expand(raw.shape[1]).contiguous()


class LinearProbeLevels(LinearProbe):
    """Logistic regression on the pooled levels and the embedding, side by side, each column standardised."""

    name: ClassVar[str] = "linear_probe_levels"
    needs_levels: ClassVar[bool] = True
    prior_rank: ClassVar[int] = UNRANKED

    def affine(self) -> None:
        """None: it reads levels; see `Head.affine`."""

    @staticmethod
    def _inputs(features: Features) -> Tensor:
        if not features.levels:
            raise UserInputError(
                "this head reads the image tower's levels, and the features carry none",
                on=f"head {LinearProbeLevels.name}",
                remedy="encode with a level mode (pooled, grid or full), or leave this head out",
            )
        return torch.cat([*features.pooled_levels(), features.embedding], dim=1)

    @staticmethod
    def _standardisation(raw: Tensor) -> tuple[Tensor, Tensor]:
        shift = raw.mean(0)
        deviation = raw.std(0, correction=0)
        # otherwise a channel that (almost) never fires would be scaled up to the size of the others
        return shift, 1 / (deviation.clamp_min(1e-3 * float(deviation.max()) + 1e-12) * raw.shape[1] ** 0.5)


def _chosen_penalty(inputs: Tensor, images: Support) -> tuple[float, float]:
    """The penalty, and the mean factor that calibrates its logits."""
    folds = images.folds[0]
    looked_at = [fold for fold in range(int(folds.max()) + 1) if (folds == fold).any()][:_FOLDS_LOOKED_AT]
    if not looked_at:
        return _DEFAULT_PENALTY, 1.0
    losses = torch.zeros(len(_PENALTIES), dtype=torch.float64)
    loudness = torch.zeros(len(_PENALTIES), dtype=torch.float64)
    n_rows = 0
    for fold in looked_at:
        if n_rows >= _ROWS_ENOUGH:
            break
        held_out, start = folds == fold, None
        n_rows += int(held_out.sum())
        labels = images.labels[held_out]
        for index, penalty in enumerate(_PENALTIES):  # each fit starts from the result of the stronger penalty
            start = softmax_regression(
                inputs[~held_out], images.labels[~held_out], images.n_classes, penalty=penalty, start=start
            )
            logits = torch.addmm(start[1], inputs[held_out], start[0])
            loss, weight = tempered_log_loss(logits, labels)
            losses[index] += loss * len(labels)
            loudness[index] += weight * len(labels)
    best = first_of_the_best((losses / n_rows).tolist(), _TIE)
    return _PENALTIES[best], float(loudness[best]) / n_rows
