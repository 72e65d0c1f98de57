"""Tip-Adapter and Tip-Adapter-F (Zhang et al., "Tip-Adapter: Training-free Adaption of CLIP", ECCV 2022)."""

from __future__ import annotations

import math
from typing import ClassVar, Self

import torch
from torch import Tensor

from components.features.carriers import Features
from components.heads.pooling import first_of_the_best, tempered_log_loss
from components.heads.protocol import Head, HeadState, text_of
from components.heads.support import Support

__all__ = ["TipAdapter", "TipAdapterF"]

_ALPHAS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0)
_BETAS = (1.0, 2.5, 5.5, 10.0, 20.0)
_DEFAULT_ALPHA, _DEFAULT_BETA = 1.0, 5.5  # as published
_TIE = 1e-6  # nats; a smaller difference counts as equal, and the lower numbers are taken
_ROWS_AT_ONCE = 1024
_ROWS_LOOKED_AT = 2048
_EPOCHS, _BATCH, _LEARNING_RATE, _EPSILON = 20, 256, 1e-3, 1e-4  # as published
_MOST_STEPS = 200


class TipAdapter(Head):
    """Zero-shot plus a key-value cache of the support set: `z + alpha exp(-beta (1 - e F')) L` (equation 6).

    The publication tunes alpha and beta on the validation split; here they are chosen on folds of the support set,
    and stay at the published defaults if there are none.

    Attributes:
        keys_: (n, d) float32, sorted by class.
        shots_: (C,) int64, how many keys each class has.
        text_: (C, d) float32, times the logit scale.
        alpha_, beta_: floats.
    """

    name: ClassVar[str] = "tip_adapter"
    needs_text: ClassVar[bool] = True

    keys_: Tensor
    shots_: Tensor
    text_: Tensor
    alpha_: float
    beta_: float

    def fit(self, support: Support) -> Self:
        """Store the images' embeddings as keys."""
        images = _sorted_by_class(support.image_means)
        text = text_of(support, self.name)
        self.text_ = (support.logit_scale * text).float().contiguous()
        self.shots_ = torch.bincount(images.labels, minlength=images.n_classes)
        self.keys_ = images.features.embedding.float().contiguous()
        folds = images.folds[0]
        tried = torch.nonzero(folds >= 0).flatten()
        self.alpha_, self.beta_ = _DEFAULT_ALPHA, _DEFAULT_BETA
        if len(tried):
            # every n-th row, so that each class keeps its share
            tried = tried[:: math.ceil(len(tried) / _ROWS_LOOKED_AT)]
            rows = self.keys_[tried]
            hidden = folds[tried][:, None] == folds[None, :]
            self.alpha_, self.beta_ = _searched(
                rows @ self.text_.T, rows @ self.keys_.T, images.labels, images.labels[tried], images.n_classes, hidden
            )
        return self

    def scores(self, features: Features) -> Tensor:
        """(n, C) float32."""
        labels = torch.repeat_interleave(torch.arange(len(self.shots_)), self.shots_)
        parts = []
        for rows in features.embedding.split(_ROWS_AT_ONCE):
            cache = _cache_logits(rows @ self.keys_.T, self.beta_, labels, len(self.shots_))
            parts.append(rows @ self.text_.T + self.alpha_ * cache)
        return torch.cat(parts) if parts else torch.zeros(0, len(self.shots_))

    def state(self) -> HeadState:
        """Keys, their class sizes, text, and the two numbers chosen."""
        tensors = {"keys": self.keys_, "shots": self.shots_, "text": self.text_}
        return HeadState(self.name, tensors, {"alpha": self.alpha_, "beta": self.beta_})

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """See `Head.from_state`."""
        head = cls()
        head.keys_, head.shots_, head.text_ = (state.tensors[name] for name in ("keys", "shots", "text"))
        head.alpha_, head.beta_ = state.settings["alpha"], state.settings["beta"]
        return head


class TipAdapterF(TipAdapter):
    """Tip-Adapter whose keys are trained: 20 epochs of AdamW at 1e-3, epsilon 1e-4, cosine to zero, batch 256.

    Two things differ from the publication. Alpha and beta are searched on one held-out fold (keys trained on the
    others) instead of the validation split. There are at most 200 steps, which 16 shots of 100 classes do not reach.
    """

    name: ClassVar[str] = "tip_adapter_f"
    prior_rank: ClassVar[int] = 1

    def fit(self, support: Support) -> Self:
        """Search alpha and beta on a fold, then train the keys of all images."""
        images = _sorted_by_class(support.image_means)
        text = text_of(support, self.name)
        self.text_ = (support.logit_scale * text).float().contiguous()
        self.shots_ = torch.bincount(images.labels, minlength=images.n_classes)
        self.alpha_, self.beta_ = _DEFAULT_ALPHA, _DEFAULT_BETA
        held_out = images.folds[0] == 0
        if held_out.any():
            training = images.rows(~held_out)
            keys = _trained_keys(training, self.text_, self.alpha_, self.beta_)
            rows = images.features.embedding[held_out]
            self.alpha_, self.beta_ = _searched(
                rows @ self.text_.T, rows @ keys.T, training.labels, images.labels[held_out], images.n_classes, None
            )
        # as published: trained with the published numbers, read with the chosen ones
        self.keys_ = _trained_keys(images, self.text_, _DEFAULT_ALPHA, _DEFAULT_BETA)
        return self


def _sorted_by_class(images: Support) -> Support:
    return images.rows(torch.argsort(images.labels, stable=True))


def _cache_logits(affinity: Tensor, beta: float, labels: Tensor, n_classes: int) -> Tensor:
    """(n, C): the cache's score of each class; affinity is (n, keys)."""
    evidence = torch.exp(beta * (affinity - 1))
    return torch.zeros(len(affinity), n_classes).index_add_(1, labels, evidence)


def _searched(
    zero_shot: Tensor, affinity: Tensor, key_labels: Tensor, labels: Tensor, n_classes: int, hidden: Tensor | None
) -> tuple[float, float]:
    """Alpha and beta of the lowest log-loss after temperature; `hidden` (n, keys) marks keys a row must not use."""
    if hidden is not None:
        affinity = affinity.masked_fill(hidden, -math.inf)
    losses, tried = [], []
    for beta in _BETAS:
        cache = _cache_logits(affinity, beta, key_labels, n_classes)
        for alpha in _ALPHAS:
            loss, _ = tempered_log_loss(zero_shot + alpha * cache, labels)
            losses.append(loss)
            tried.append((alpha, beta))
    return tried[first_of_the_best(losses, _TIE)]


def _trained_keys(images: Support, text: Tensor, alpha: float, beta: float) -> Tensor:
    """(n, d): the cache's keys after training on the very images, in the order of `images`."""
    embedding, labels, n = images.features.embedding.float(), images.labels, len(images)
    keys = embedding.clone().requires_grad_()
    epochs = min(_EPOCHS, max(1, _MOST_STEPS // math.ceil(n / _BATCH)))
    steps = epochs * math.ceil(n / _BATCH)
    optimiser = torch.optim.AdamW([keys], lr=_LEARNING_RATE, eps=_EPSILON)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    random = torch.Generator().manual_seed(images.seed)
    zero_shot = embedding @ text.T
    for _ in range(epochs):
        for batch in torch.randperm(n, generator=random).split(_BATCH):
            cache = _cache_logits(embedding[batch] @ keys.T, beta, labels, images.n_classes)
            loss = torch.nn.functional.cross_entropy(zero_shot[batch] + alpha * cache, labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    return keys.detach()
