"""The form `embedding`: a class embedding optimised alone, against known classes whose logits stay as they are."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from components.liteembed.carriers import Columns, KnownClasses, NewClasses
from components.liteembed.closed_forms import NameAndDiscriminant
from components.liteembed.settings import EmbeddingSettings
from components.liteembed.vocabulary import Axes

__all__ = ["Embedding"]

_TOLERANCE = 1e-4


class Embedding:
    """`score = logit_scale <x, z> + b` with `z = z0 + U' d / logit_scale`; `U` the axes of the vocabulary.

    `z0` is the name, as loud as the known names are, `b0` the known logits' level; for a class without a name both are
    the shrunk discriminant's of its photos. `d` and `b` minimise cross-entropy over [known logits, new columns] of the
    new photos and of the known classes' photos, plus half of `l_coarse |d_coarse|^2 + l_fine |d_fine|^2 + l_b (b - b0)^2`
    (the last for names only). Known logits are held out and frozen, so that a known photo is defended as it will have
    to be, and nothing else moves. All new classes of an arrival are one convex problem, solved by L-BFGS.

    Weights: photos of a new class count 1. Photos of a known class count together as much as those of a typical new
    class, times `(K / C)^balance`: with balance 0 a single new class among 100 would be one voice in 101 and learn to
    keep quiet; with 1 it would be half of all.

    Attributes:
        settings: see `EmbeddingSettings`.
        stiffness: one of the candidates.
        axes: of the vocabulary; None where coarse and fine are equally stiff, and so no axis matters.
    """

    name: ClassVar[str] = "embedding"
    needs_text: ClassVar[bool] = False

    def __init__(self, settings: EmbeddingSettings, stiffness: float, axes: Axes | None = None) -> None:
        self.settings = settings
        self.stiffness = stiffness
        self.axes = axes

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        """Deterministic: the same input, the same bits on one machine with one number of threads."""
        start = self._start(known, new)
        rows = torch.cat([known.embeddings, new.embeddings])
        to_inputs = self._to_inputs(rows.shape[1])
        problem = _Problem(
            inputs=rows @ to_inputs if to_inputs.ndim else rows * to_inputs,
            start=start.scores(rows, known.logit_scale),
            log_known=torch.cat([known.logits, new.known_logits]).logsumexp(1),
            true_known=known.logits.gather(1, known.labels[:, None])[:, 0],
            labels=new.labels,
            weights=self._weights(known, new),
            offset_stiffness=self.settings.offset * new.named.float(),
        )
        moves, offsets = problem.solve(self.settings.steps)
        shift = (to_inputs @ moves if to_inputs.ndim else to_inputs * moves).T
        return Columns(start.vectors + shift / known.logit_scale, start.offsets + offsets)

    def _start(self, known: KnownClasses, new: NewClasses) -> Columns:
        if new.named.all() or int(new.shots.min()) > 1:
            nameless = NameAndDiscriminant().fit(known, new)
        else:  # a single photo says too little of where its class lies to start from it
            nameless = Columns(torch.zeros_like(new.embeddings[: new.n_classes]), torch.zeros(new.n_classes))
        if new.text_embeddings is None:
            return nameless
        named = new.named
        return Columns(
            torch.where(named[:, None], known.voices.name * new.text_embeddings, nameless.vectors),
            torch.where(named, known.level, nameless.offsets),
        )

    def _to_inputs(self, d: int) -> Tensor:
        """(d, d), or () where all directions are equally stiff: in these coordinates they are, with stiffness 1."""
        if self.axes is None:
            return torch.tensor(self.stiffness * self.settings.fine).rsqrt()
        along = torch.full((d,), self.stiffness * self.settings.fine)
        along[: self.settings.n_coarse] = self.stiffness * self.settings.coarse
        return (along.rsqrt()[:, None] * self.axes.directions).T.contiguous()

    def _weights(self, known: KnownClasses, new: NewClasses) -> Tensor:
        a_class = float(new.shots.double().mean()) * (new.n_classes / known.n_classes) ** self.settings.balance
        return torch.cat([a_class / known.shots[known.labels].float(), torch.ones(len(new.labels))])


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
