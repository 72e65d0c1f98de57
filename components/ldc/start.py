"""What ICD starts from: zero-shot's logits, as published, or those of MAP-LR, which has seen the photos too.

A head that has seen a photo is surer of it than of any other, and a residual on such logits learns nothing. MAP-LR's
logits of training photos therefore come from fits that had not seen them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from components.errors import UserInputError
from components.features.carriers import Features
from components.heads.map_lr import MapLR
from components.heads.pooling import pool_weights
from components.heads.protocol import HeadState, text_of
from components.heads.support import Support
from components.ldc.model import zero_shot_logits
from components.ldc.recipe import Start

__all__ = ["CrossFits", "StoredStart", "ZeroShotStart", "start_from_state"]


@dataclass(frozen=True)
class ZeroShotStart:
    """`s e T'`, of the very view that is looked at.

    Attributes:
        text: (K, d), times the logit scale.
    """

    text: Tensor

    @classmethod
    def of(cls, support: Support) -> Self:
        """Of the support set's classes; raises UserInputError where they have no words."""
        return cls((support.logit_scale * text_of(support, "ldc")).float().contiguous())

    def __call__(self, images: Tensor, features: Features) -> Tensor:
        """See `StartLogits`."""
        return self.scores(features)

    def scores(self, features: Features) -> Tensor:
        """(n, K) of any rows."""
        return zero_shot_logits(features.embedding, self.text, 1.0)

    def state(self) -> HeadState:
        """What `start_from_state` needs."""
        return HeadState("zero_shot", {"text": self.text})


@dataclass(frozen=True)
class StoredStart:
    """MAP-LR's logits, times a weight: stored for training photos, computed for others.

    Attributes:
        head: fitted on all training photos.
        weight: makes held-out logits calibrated.
        logits: (n, K) of the training photos, already weighted; empty in a head that is read back.
    """

    head: MapLR
    weight: float
    logits: Tensor

    def __call__(self, images: Tensor, features: Features) -> Tensor:
        """See `StartLogits`."""
        return self.logits[images]

    def scores(self, features: Features) -> Tensor:
        """(n, K) of rows that were not trained on."""
        return self.weight * self.head.scores(features)

    def state(self) -> HeadState:
        """What `start_from_state` needs."""
        state = self.head.state()
        return HeadState("map_lr", state.tensors, {**state.settings, "weight": self.weight})


def start_from_state(state: HeadState) -> ZeroShotStart | StoredStart:
    """What `state` was taken from, for photos that were not trained on."""
    if state.name == "zero_shot":
        return ZeroShotStart(state.tensors["text"])
    return StoredStart(MapLR.from_state(state), state.settings["weight"], torch.empty(0, 0))


class CrossFits:
    """MAP-LR fits without one or two folds of a support set, each done once and only when asked for.

    Args:
        support: one row an image, the clean view.
        folds: (n,) int64, as `Support.folds`.
    """

    def __init__(self, support: Support, folds: Tensor) -> None:
        self.support, self.folds = support, folds
        self._fits: dict[frozenset[int], MapLR] = {}

    def start(self, kind: Start, held_out: int | None) -> ZeroShotStart | StoredStart:
        """The start for training on all photos but those of a fold (None: on all photos).

        A training photo of fold j gets its logits from the fit without fold j and the fold held out; a photo that
        cannot be held out (its class would be left with none) from the fit that it is in.
        """
        if kind == "zero_shot":
            return ZeroShotStart.of(self.support)
        out = frozenset() if held_out is None else frozenset({held_out})
        head = self._fit(out)
        logits = head.scores(self.support.features)
        unseen = torch.zeros(len(self.support), dtype=torch.bool)
        for fold in range(int(self.folds.max()) + 1):
            rows = (self.folds == fold).nonzero().flatten()
            if fold not in out and self._leaves_every_class(out | {fold}):
                logits[rows] = self._fit(out | {fold}).scores(self.support.features[rows])
                unseen[rows] = True
        # calibrated on a few thousand photos at most, which are enough for one number
        rows = unseen.nonzero().flatten()
        rows = rows[:: max(1, len(rows) // 2000)]
        (weight,) = pool_weights([logits[rows]], self.support.labels[rows], [1.0], strength=1.0)
        return StoredStart(head, weight, weight * logits)

    def _leaves_every_class(self, out: frozenset[int]) -> bool:
        left = ~torch.isin(self.folds, torch.tensor(sorted(out)))
        return bool((torch.bincount(self.support.labels[left], minlength=self.support.n_classes) > 0).all())

    def _fit(self, out: frozenset[int]) -> MapLR:
        if out not in self._fits:
            left = ~torch.isin(self.folds, torch.tensor(sorted(out), dtype=torch.int64))
            self._fits[out] = MapLR().fit(self.support.rows(left))
        return self._fits[out]


def check_projector(support: Support) -> None:
    """Raise a UserInputError where the features lack what LDC reads."""
    if support.projector is None or not support.features.levels:
        lacking = "levels" if support.projector is not None else "the frozen last step of the image tower"
        raise UserInputError(
            f"LDC reads four levels and passes them through the image tower's last step; here {lacking} is missing",
            on="head ldc",
            remedy="use a CLIP ResNet or ViT as backbone, or leave LDC out (classifier.heads)",
        )
