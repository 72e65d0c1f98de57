"""The form `embedding`: a class embedding optimised alone, against known classes whose logits stay as they are."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from components.liteembed.carriers import Columns, KnownClasses, NewClasses
from components.liteembed.settings import EmbeddingSettings, StartName
from components.liteembed.vocabulary import Axes

__all__ = ["Embedding"]

_TOLERANCE = 1e-4


class Embedding:
    """`score = logit_scale <x, z> + b` with `z = z0 + U' d / logit_scale`; `U` the axes of the vocabulary.

    `z0` and `b0` are where it starts: at the name, as loud as the known names are, at the known logits' level; or at the
    prototype, the mean of the whitened photos beside the name, each as loud as known classes need them when they play
    new ones. A class without a name always starts at its photos. `d` and `b` minimise cross-entropy over [known logits,
    new columns] of the new photos and of the known classes' photos, plus half of `l_coarse |d_coarse|^2 +
    l_fine |d_fine|^2 + l_b (b - b0)^2`. Known logits are held out and frozen, so that a known photo is defended as it
    will have to be, and nothing else moves. All new classes of an arrival are one convex problem, solved by L-BFGS.

    Weights: photos of a new class count 1. Photos of a known class count together as much as those of a typical new
    class, times `(K / C)^balance`: with balance 0 a single new class among 100 would be one voice in 101 and learn to
    keep quiet; with 1 it would be half of all.

    Attributes:
        settings: see `EmbeddingSettings`.
        stiffness: one of the candidates; infinite, it stays where it starts.
        axes: of the vocabulary; None where coarse and fine are equally stiff, and so no axis matters.
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
        """Deterministic: the same input, the same bits on one machine with one number of threads."""
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
        problem = _Problem(
            inputs=rows @ to_inputs if to_inputs.ndim else rows * to_inputs,
            start=start.scores(rows, known.logit_scale),
            log_known=torch.cat([logits, new.known_logits]).logsumexp(1),
            true_known=logits.gather(1, labels[:, None])[:, 0],
            labels=new.labels,
            weights=self._weights(labels, known.n_classes, new),
            offset_stiffness=torch.full((new.n_classes,), self.settings.offset),
        )
        moves, offsets = problem.solve(self.settings.steps)
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
        """(d, d), or () where all directions are equally stiff: in these coordinates they are, with stiffness 1."""
        if self.axes is None:
            return torch.tensor(self.stiffness * self.settings.fine).rsqrt()
        along = torch.full((d,), self.stiffness * self.settings.fine)
        along[: self.settings.n_coarse] = self.stiffness * self.settings.coarse
        return (along.rsqrt()[:, None] * self.axes.directions).T.contiguous()

    def _weights(self, labels: Tensor, n_known: int, new: NewClasses) -> Tensor:
        a_class = float(new.shots.double().mean()) * (new.n_classes / n_known) ** self.settings.balance
        return torch.cat([a_class / torch.bincount(labels)[labels].float(), torch.ones(len(new.labels))])


class _Problem:
    """The convex problem of one arrival; rows of known classes first, then of new ones."""

    def __init__(
        self,
        *,
        inputs: Tensor,
        start: Tensor,
        log_known: Tensor,
        true_known: Tensor,
        labels: Tensor,
        weights: Tensor,
        offset_stiffness: Tensor,
    ) -> None:
        self.inputs, self.start, self.log_known, self.true_known = inputs, start, log_known, true_known
        self.weights, self.offset_stiffness = weights, offset_stiffness
        self.n_known = len(true_known)
        self.place = (torch.arange(len(labels)) + self.n_known, labels)

    def loss_and_gradient(self, point: Tensor) -> tuple[float, Tensor]:
        """Of a point (d + 1, K): moves, and offsets in the last row."""
        scores = self.start + torch.addmm(point[-1], self.inputs, point[:-1])
        log_all = torch.logaddexp(self.log_known, scores.logsumexp(1))
        true = torch.cat([self.true_known, scores[self.place]])
        pull = self.offset_stiffness * point[-1]
        loss = torch.dot(self.weights, log_all - true) + 0.5 * (point[:-1].square().sum() + torch.dot(pull, point[-1]))
        residual = (scores - log_all[:, None]).exp() * self.weights[:, None]
        residual[self.place] -= self.weights[self.n_known :]
        gradient = torch.cat([self.inputs.T @ residual + point[:-1], (residual.sum(0) + pull)[None]])
        return float(loss), gradient

    def solve(self, steps: int) -> tuple[Tensor, Tensor]:
        """Moves (d, K) and offsets (K,)."""
        point = torch.zeros(self.inputs.shape[1] + 1, self.start.shape[1])
        point.grad = torch.zeros_like(point)
        optimiser = torch.optim.LBFGS(
            [point],
            max_iter=steps,
            tolerance_grad=_TOLERANCE,
            tolerance_change=1e-9,
            history_size=10,
            line_search_fn="strong_wolfe",
        )

        def objective() -> float:
            loss, gradient = self.loss_and_gradient(point)
            assert point.grad is not None
            point.grad.copy_(gradient)
            return loss

        optimiser.step(objective)
        return point[:-1].clone(), point[-1].clone()
