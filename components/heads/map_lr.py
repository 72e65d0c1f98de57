"""MAP-LR: Gaussian class means a posteriori, the classes' words, and logistic regression on top of both."""

from __future__ import annotations

import math
from typing import ClassVar, Self

import torch
from torch import Tensor

from components.features.carriers import Features
from components.heads.gaussian import TwoCovariance, fit_two_covariance
from components.heads.pooling import pool_weights, spread
from components.heads.protocol import Head, HeadState
from components.heads.softmax import softmax_regression
from components.heads.support import Support

__all__ = ["MapLR", "Voices", "found_voices", "voices_of"]

Voices = tuple[float, float]
"""The weights of photos and words: `g` and `s` of `MapLR`."""

# Figures for each of these: docs/experiments/heads.md.
_PENALTY = 0.4
_SMOOTHING = 0.1
_CORRECTION_WEIGHT = 0.5
_CORRECTION_FROM_SHOTS = 8  # without words and with fewer photos the correction is not reliable
_SPREAD_WITHOUT_TEXT = 2.0
_SPREAD_BESIDE_TEXT = 1.5
_ROWS_FOR_VOICES = 4000  # held-out rows beyond which two weights no longer change


class MapLR(Head):
    """`logits = g P(x) + s T(x) + (z V + b) / 2`.

    `P` are the log-densities of `TwoCovariance`, `z` its whitened embedding, `T` zero-shot's logits where there are
    words. The weights of photos and words (`g`, `s`) minimise the log-loss on held-out folds of the support set, with a
    prior that counts like one photo: words at their own temperature, photos at a spread of 1.5. `V`, `b` are logistic
    regression with the rest as offset, weight decay and label smoothing. They are halved, since they correct scores
    that have already seen the same photos. Without words and with under 8 photos per class they are left out.

    Attributes:
        gaussian_: the fitted `TwoCovariance`.
        weight_: (d, C) float32 on whitened rows, `bias_`: (C,) float32: correction and Gaussian part together.
        quadratic_: (d, C) float32 on squared whitened rows.
        text_: (C, d) float32, times `s`; None without words.
        photo_weight_, text_weight_: `g` and `s`.
    """

    name: ClassVar[str] = "map_lr"
    prior_rank: ClassVar[int] = 0

    centre_: Tensor
    whitening_: Tensor
    weight_: Tensor
    quadratic_: Tensor
    bias_: Tensor
    text_: Tensor | None
    photo_weight_: float
    text_weight_: float

    def fit(self, support: Support) -> Self:
        """Fit: a closed form, two weights by folds, then one convex problem."""
        images = support.image_means
        embedding, labels, n_classes = images.features.embedding, images.labels, images.n_classes
        gaussian = fit_two_covariance(embedding, labels, n_classes, images.covariance)
        return self._corrected(gaussian, found_voices(gaussian, images), images)

    def _corrected(self, gaussian: TwoCovariance, voices: Voices, images: Support) -> Self:
        """The Gaussian and the words, weighted by `voices`, with `z V + b` added."""
        self._speak(gaussian, voices, images)
        if self.text_ is not None or float(images.shots.double().mean()) >= _CORRECTION_FROM_SHOTS:
            embedding = images.features.embedding
            whitened = gaussian.whiten(embedding)
            offset = self.photo_weight_ * gaussian.scores(whitened)
            if self.text_ is not None:
                offset = offset + embedding @ self.text_.T
            V, b = softmax_regression(
                whitened, images.labels, images.n_classes, penalty=_PENALTY, offset=offset, smoothing=_SMOOTHING
            )
            self.weight_ = self.weight_ + _CORRECTION_WEIGHT * V
            self.bias_ = self.bias_ + _CORRECTION_WEIGHT * b
        return self

    @classmethod
    def closed_form(cls, gaussian: TwoCovariance, voices: Voices, images: Support) -> Self:
        """MAP-LR without the correction `z V + b`: a fitted Gaussian and words, weighted by `voices`."""
        head = cls()
        head._speak(gaussian, voices, images)
        return head

    def _speak(self, gaussian: TwoCovariance, voices: Voices, images: Support) -> None:
        self.photo_weight_, self.text_weight_ = voices
        self.text_ = None
        if images.text_embeddings is not None:
            self.text_ = (self.text_weight_ * images.logit_scale * images.text_embeddings).float().contiguous()
        self.centre_, self.whitening_ = gaussian.centre, gaussian.whitening
        self.weight_ = self.photo_weight_ * gaussian.linear
        self.quadratic_ = self.photo_weight_ * gaussian.quadratic
        self.bias_ = self.photo_weight_ * gaussian.bias

    def scores(self, features: Features) -> Tensor:
        """(n, C) float32."""
        whitened = self.whiten(features)
        scores = torch.addmm(self.bias_, whitened, self.weight_)
        if self.quadratic_.any():
            scores = scores + whitened.square() @ self.quadratic_
        return scores if self.text_ is None else scores + features.embedding @ self.text_.T

    def whiten(self, features: Features) -> Tensor:
        """(n, d) float32, unit length: the space in which classes are compared."""
        return TwoCovariance(self.centre_, self.whitening_, self.weight_, self.quadratic_, self.bias_).whiten(
            features.embedding
        )

    def state(self) -> HeadState:
        """All factors of `scores`, and the two weights."""
        tensors = {
            "centre": self.centre_,
            "whitening": self.whitening_,
            "weight": self.weight_,
            "quadratic": self.quadratic_,
            "bias": self.bias_,
        }
        if self.text_ is not None:
            tensors["text"] = self.text_
        return HeadState(self.name, tensors, {"photo_weight": self.photo_weight_, "text_weight": self.text_weight_})

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """See `Head.from_state`."""
        head = cls()
        head.centre_, head.whitening_ = state.tensors["centre"], state.tensors["whitening"]
        head.weight_, head.quadratic_ = state.tensors["weight"], state.tensors["quadratic"]
        head.bias_, head.text_ = state.tensors["bias"], state.tensors.get("text")
        head.photo_weight_ = state.settings["photo_weight"]
        head.text_weight_ = state.settings["text_weight"]
        return head


def found_voices(gaussian: TwoCovariance, images: Support) -> Voices:
    """The weights of photos and words, by folds if there are words."""
    seen = gaussian.scores(gaussian.whiten(images.features.embedding))
    if images.text_embeddings is None:
        return _SPREAD_WITHOUT_TEXT / spread(seen), 0.0
    return voices_of(_unseen(images), seen, images)


def _unseen(images: Support) -> Tensor:
    """(n, C): the Gaussian's scores of each photo, fitted without its fold; NaN for photos that are never held out."""
    embedding, labels, folds = images.features.embedding, images.labels, images.folds[0]
    unseen = torch.full((len(images), images.n_classes), float("nan"))
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        if held_out.any():
            fitted = fit_two_covariance(embedding[~held_out], labels[~held_out], images.n_classes, images.covariance)
            unseen[held_out] = fitted.scores(fitted.whiten(embedding[held_out]))
    return unseen


def voices_of(unseen: Tensor, seen: Tensor, images: Support) -> Voices:
    """The weights of photos and words with the lowest log-loss on held-out photos and a prior like one photo.

    Args:
        unseen: (n, C), scores by Gaussians that were not fitted on the photo; NaN if there is none.
        seen: (n, C), scores by the Gaussian that was fitted on all photos; used if nothing is held out.
        images: n rows, one per image.
    """
    step = math.ceil(len(images) / _ROWS_FOR_VOICES) or 1
    # every n-th row, so that each class keeps its share
    unseen, labels, embedding = unseen[::step], images.labels[::step], images.features.embedding[::step]
    tried = ~unseen.isnan().any(1)
    beside, text_weight, voices = _SPREAD_WITHOUT_TEXT, 0.0, []
    if images.text_embeddings is not None:
        zero_shot = images.logit_scale * embedding @ images.text_embeddings.T
        # zero-shot has seen no photo, so these photos may set its temperature
        (text_weight,) = pool_weights([zero_shot], labels, [1.0], strength=1.0)
        beside, voices = _SPREAD_BESIDE_TEXT, [zero_shot[tried]]
    if not tried.any():
        return beside / spread(seen), text_weight
    prior = [beside / spread(unseen[tried]), text_weight][: 1 + len(voices)]
    weights = pool_weights([unseen[tried], *voices], labels[tried], prior, strength=1.0)
    return weights[0], weights[1] if voices else 0.0
