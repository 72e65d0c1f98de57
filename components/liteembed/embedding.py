"""The form `embedding`: only the class embedding is optimised; the known classes' logits are fixed."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from components.heads.newton import LogLoss, minimise
from components.liteembed.carriers import Columns, KnownClasses, NewClasses
from components.liteembed.settings import EmbeddingSettings, StartName
from components.liteembed.vocabulary import Axes

__all__ = ["Embedding"]


class Embedding:
    """`score = logit_scale <x, z> + b` with `z = z0 + U' d / logit_scale`; `U` the axes of the vocabulary.

    `z0` and `b0` are the start. It is either the name, at the scale of the known names and the known logits' level; or
    the prototype (the mean of the whitened photos) plus the name, with the weights that suit known classes that play
    new ones. A class without a name always starts at its photos. `d` and `b` minimise cross-entropy over [known logits,
    new columns] of the new photos and of the known classes' photos, plus half of `l_coarse |d_coarse|^2 + l_fine
    |d_fine|^2 + l_b (b - b0)^2`. Known logits are held out and fixed: a known photo then competes as a future photo
    will, and nothing else changes. All new classes of an arrival are one convex problem, solved to its optimum
    (`components.heads.newton`).

    Weights: photos of a new class count 1. Photos of a known class count together as much as those of a typical new
    class, times `(K / C)^balance`: with balance 0 a single new class among 100 has 1/101 of the weight and learns to
    score low; with 1 it has half.

    Attributes:
        settings: see `EmbeddingSettings`.
        stiffness: one of the candidates; if infinite, the embedding stays at its start.
        axes: of the vocabulary; None if coarse and fine are equally stiff, since the axes then do not matter.
        start: one of the candidates.
    """

    name: ClassVar[str] = "embedding"
    needs_text: ClassVar[bool] = False

    def __init__(
        self, settings: EmbeddingSettings, stiffness: float, axes: Axes | None = None, start: StartName = "name"
    ) -> None:
        self.settings = settings
        self.stiffness = stiffness
        self.axes = axes
        self.start = start

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        """Fit; deterministic: equal bits on one machine with one number of threads, nearly equal elsewhere."""
        start = self._start(known, new)
        if math.isinf(self.stiffness):
            return start
        seen = torch.ones_like(known.held_out) if known.hidden is None else ~known.hidden
        rows, labels, logits = (
            torch.cat([known.embeddings[seen], new.embeddings]),
            known.labels[seen],
            known.logits[seen],
        )
        to_inputs = self._to_inputs(rows.shape[1])
        targets = torch.zeros(len(rows), new.n_classes)
        targets[torch.arange(len(new.labels)) + len(labels), new.labels] = 1
        stiffness = torch.ones(rows.shape[1] + 1, 1)
        stiffness[-1] = self.settings.offset
        problem = LogLoss(
            inputs=torch.cat([rows @ to_inputs if to_inputs.ndim else rows * to_inputs, torch.ones(len(rows), 1)], 1),
            targets=targets,
            weights=self._weights(labels, known.n_classes, new)[:, None],
            stiffness=stiffness,
            offset=start.scores(rows, known.logit_scale),
            frozen=torch.cat([logits, new.known_logits]).logsumexp(1),
        )
        point = minimise(
            problem.to(torch.float64), torch.zeros(len(stiffness), new.n_classes), max_iterations=self.settings.steps
        )
        moves, offsets = point[:-1].float(), point[-1].float()
        shift = (to_inputs @ moves if to_inputs.ndim else to_inputs * moves).T
        return Columns(start.vectors + shift / known.logit_scale, start.offsets + offsets)

    def _start(self, known: KnownClasses, new: NewClasses) -> Columns:
        named = new.named
        if self.start == "name" and named.all():
            assert new.text_embeddings is not None
            return Columns(known.voices.name * new.text_embeddings, torch.full((new.n_classes,), known.level))
        photos = self._prototypes(known, new.without_text())
        if not named.any():
            return photos
        assert new.text_embeddings is not None
        if self.start == "prototype":
            spoken = self._prototypes(known, new)
        else:
            spoken = Columns(known.voices.name * new.text_embeddings, torch.full((new.n_classes,), known.level))
        return Columns(
            torch.where(named[:, None], spoken.vectors, photos.vectors),
            torch.where(named, spoken.offsets, photos.offsets),
        )

    def _prototypes(self, known: KnownClasses, new: NewClasses) -> Columns:
        words = new.text_embeddings is not None and known.text_embeddings is not None
        loud = known.loudness(new, words=words, balance=self.settings.balance)
        weights, offsets = known.whitening.rows(known.whitening.prototypes(new.embeddings, new.labels, new.n_classes))
        vectors = (loud.photos / known.logit_scale * weights).float()
        if words:
            assert new.text_embeddings is not None
            vectors = vectors + loud.name * new.text_embeddings
        return Columns(vectors, (loud.photos * offsets).float() + loud.level)

    def _to_inputs(self, d: int) -> Tensor:
        """(d, d), or () if all directions are equally stiff: coordinates in which every direction has stiffness 1."""
        if self.axes is None:
            return torch.tensor(self.stiffness * self.settings.fine).rsqrt()
        along = torch.full((d,), self.stiffness * self.settings.fine)
        along[: self.settings.n_coarse] = self.stiffness * self.settings.coarse
        return (along.rsqrt()[:, None] * self.axes.directions).T.contiguous()

    def _weights(self, labels: Tensor, n_known: int, new: NewClasses) -> Tensor:
        a_class = float(new.shots.double().mean()) * (new.n_classes / n_known) ** self.settings.balance
        return torch.cat([a_class / torch.bincount(labels)[labels].float(), torch.ones(len(new.labels))])
