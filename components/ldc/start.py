"""ICD's start logits: zero-shot's, as published, or MAP-LR's, which has learnt from the photos too.

A head that has learnt from a photo is surer of it than of any other, and a residual on such logits learns nothing. So
MAP-LR's logits of training photos come from fits that had not seen them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from components.errors import UserInputError
from components.features.carriers import Features
from components.heads.anchored import learn_from_pool
from components.heads.gaussian import TwoCovariance, fit_two_covariance
from components.heads.map_lr import MapLR, voices_of
from components.heads.protocol import HeadState, text_of
from components.heads.support import Support
from components.ldc.model import zero_shot_logits
from components.ldc.recipe import Start

__all__ = ["CrossFits", "StoredStart", "ZeroShotStart", "start_from_state"]


@dataclass(frozen=True)
class ZeroShotStart:
    """Zero-shot: `s e T'` of the view that the batch shows.

    Attributes:
        text: (K, d), times the logit scale.
    """

    text: Tensor

    @classmethod
    def of(cls, support: Support) -> Self:
        """The start for the support set's classes; raises UserInputError if they have no words."""
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
    """MAP-LR's logits: stored for training photos, computed for others.

    Attributes:
        head: MAP-LR in closed form, fitted on all training photos.
        logits: (n, K) of the training photos; empty in a head that is read back.
    """

    head: MapLR
    logits: Tensor

    def __call__(self, images: Tensor, features: Features) -> Tensor:
        """See `StartLogits`."""
        return self.logits[images]

    def scores(self, features: Features) -> Tensor:
        """(n, K) of rows that were not trained on."""
        return self.head.scores(features)

    def state(self) -> HeadState:
        """What `start_from_state` needs."""
        return self.head.state()


def start_from_state(state: HeadState) -> ZeroShotStart | StoredStart:
    """The start that `state` was taken from, for photos that were not trained on."""
    if state.name == "zero_shot":
        return ZeroShotStart(state.tensors["text"])
    head = MapLR.from_state(state)
    loudness = state.settings.get("weight", 1.0)  # apart in bundles older than MAP-LR's closed form
    for name in ("weight_", "quadratic_", "bias_", "text_"):
        if (tensor := getattr(head, name)) is not None:
            setattr(head, name, loudness * tensor)
    return StoredStart(head, torch.empty(0, 0))


class CrossFits:
    """MAP-LR without one or two folds of a support set; each Gaussian is fitted once and only when asked for.

    It is the closed form without MAP-LR's correction: LDC's residual is a correction itself, and on top of the other it
    is no better (docs/experiments/ldc.md). If there is a pool, each Gaussian has learnt from it
    (docs/experiments/pool.md).

    Args:
        support: one row per image, the clean view.
        folds: (n,) int64, as `Support.folds`.
    """

    def __init__(self, support: Support, folds: Tensor) -> None:
        self.support, self.folds = support, folds
        self._gaussians: dict[frozenset[int], TwoCovariance] = {}

    def start(self, kind: Start, held_out: int | None) -> ZeroShotStart | StoredStart:
        """The start for training on all photos but those of a fold (None: on all photos).

        A training photo of fold j gets its logits from the Gaussian without fold j and the fold held out; a photo that
        cannot be held out (its class would be left without a photo) gets them from the Gaussian that includes it. The
        weights of photos and words are decided once, on all training photos held out in this way.
        """
        if kind == "zero_shot":
            return ZeroShotStart.of(self.support)
        out = frozenset() if held_out is None else frozenset({held_out})
        others = [fold for fold in range(int(self.folds.max()) + 1) if fold not in out]
        others = [fold for fold in others if self._leaves_every_class(out | {fold})]
        self._fit([out, *(out | {fold} for fold in others)])
        seen = self._scores(out, torch.arange(len(self.support)))
        unseen = torch.full_like(seen, float("nan"))
        for fold in others:
            rows = (self.folds == fold).nonzero().flatten()
            unseen[rows] = self._scores(out | {fold}, rows)
        trained_on = self._left(out)
        voices = voices_of(unseen[trained_on], seen[trained_on], self.support.rows(trained_on))
        head = MapLR.closed_form(self._gaussians[out], voices, self.support)
        logits = voices[0] * torch.where(unseen.isnan(), seen, unseen)
        if head.text_ is not None:
            logits += self.support.features.embedding @ head.text_.T
        return StoredStart(head, logits)

    def _leaves_every_class(self, out: frozenset[int]) -> bool:
        left = self.support.labels[self._left(out)]
        return bool((torch.bincount(left, minlength=self.support.n_classes) > 0).all())

    def _left(self, out: frozenset[int]) -> Tensor:
        return ~torch.isin(self.folds, torch.tensor(sorted(out), dtype=torch.int64))

    def _scores(self, out: frozenset[int], rows: Tensor) -> Tensor:
        gaussian = self._gaussians[out]
        return gaussian.scores(gaussian.whiten(self.support.features.embedding[rows]))

    def _fit(self, wanted: Sequence[frozenset[int]]) -> None:
        """Fit those that are not there yet, as many at a time as there are cores, each on one thread."""
        missing = [out for out in wanted if out not in self._gaussians]
        with ThreadPoolExecutor(os.cpu_count(), initializer=torch.set_num_threads, initargs=(1,)) as pool:
            self._gaussians |= dict(zip(missing, pool.map(self._gaussian, missing), strict=True))

    def _gaussian(self, out: frozenset[int]) -> TwoCovariance:
        left = self._left(out)
        embedding, labels = self.support.features.embedding[left], self.support.labels[left]
        n_classes, pool, generic = self.support.n_classes, self.support.pool, self.support.covariance
        if pool is not None and len(pool):
            return learn_from_pool(embedding, labels, n_classes, pool, generic).gaussian
        return fit_two_covariance(embedding, labels, n_classes, generic)


def check_projector(support: Support) -> None:
    """Raise a UserInputError if the features lack what LDC reads."""
    if support.projector is None or not support.features.levels:
        lacking = "levels" if support.projector is not None else "the frozen last step of the image tower"
        raise UserInputError(
            f"LDC reads four levels and passes them through the image tower's last step; here {lacking} is missing",
            on="head ldc",
            remedy="use a CLIP ResNet or ViT as backbone, or leave LDC out (classifier.heads)",
        )
