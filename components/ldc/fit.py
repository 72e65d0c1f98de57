"""Fitting LDC: the choice within its own family on held-out folds of the support set, then the model that is kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.features.carriers import Features
from components.heads.pooling import pool_weights
from components.heads.support import Support
from components.ldc.deconfused import Pair, deconfused
from components.ldc.family import alternatives, base_recipe
from components.ldc.head import MIXED, LdcHead, mixed
from components.ldc.model import LDC, Outputs
from components.ldc.recipe import Recipe
from components.ldc.settings import LdcSettings
from components.ldc.sources import HeldViews
from components.ldc.start import CrossFits, StoredStart, ZeroShotStart, check_projector
from components.ldc.training import EpochLoss, outputs_of, train_ldc

__all__ = ["LdcFit", "TrainingProgress", "Trial", "Work", "fit_ldc"]

_PRIOR_MIX = (0.4, 0.4, 0.2, 0.2)  # of m, i, a, z: the mean of two that err differently, the others beside them
_NOTHING_TO_GAIN = 0.01  # nats a photo: who is that sure and right needs no further trial
_ROWS_FOR_MIX = 2000  # held-out rows after which four weights change no more

Progress = Callable[["TrainingProgress"], None]


@dataclass(frozen=True)
class TrainingProgress:
    """An epoch of one of the trainings that a fit takes.

    Attributes:
        training: from 1.
        trainings: of how many, at most.
        epoch: how it went.
    """

    training: int
    trainings: int
    epoch: EpochLoss


@dataclass(frozen=True)
class Trial:
    """A recipe that was tried.

    Attributes:
        change: what it changes against the best one so far.
        log_loss: nats a held-out photo, after its outputs were mixed; lower is better.
        kept: it became the best one.
    """

    change: dict[str, Any]
    log_loss: float
    kept: bool


@dataclass(frozen=True)
class LdcFit:
    """A fitted LDC with its evidence.

    Attributes:
        head: trained on the whole support set.
        out_of_fold: (1, n, K) float32 logits of the clean rows from models that had not seen the photo's fold; NaN for
            photos that are never held out. The form of `components.classifier.Candidate`.
        log: every epoch of the model that is kept.
        trials: what was tried, in order; empty where there are no folds.
        deconfused: the pairs of classes mistaken most before or after the residual, out of fold.
    """

    head: LdcHead
    out_of_fold: Tensor
    log: list[EpochLoss]
    trials: list[Trial]
    deconfused: list[Pair]


def fit_ldc(
    support: Support,
    settings: LdcSettings | None = None,
    *,
    validation: Support | None = None,
    progress: Progress | None = None,
) -> LdcFit:
    """Choose on validation photos or on folds, then train on everything.

    With validation photos each recipe is trained on the whole support set and judged on them. Without, changes are
    tried on the first fold alone. Either way the best recipe is then trained without each fold, for the out-of-fold
    logits. Where there is neither (one photo a class) the defaults hold.

    Args:
        support: rows with levels (in memory or mapped), and the backbone's projector.
        settings: of the family; the defaults where None.
        validation: further labelled photos with levels, not in `support`.
        progress: hears of every epoch of every training.

    Raises:
        UserInputError: the features have no levels, or the backbone no projector that LDC knows.
    """
    check_projector(support)
    settings = settings or LdcSettings()
    work = Work(support, settings, progress)
    recipe = base_recipe(settings, support)
    changes = alternatives(settings, recipe, support)
    folds = [fold for fold in range(int(work.folds.max()) + 1) if (work.folds == fold).any()]
    judging = 1 + len(changes) if folds or validation is not None else 0
    work.trainings = (0, judging + len(folds) if validation is not None else max(1, judging + len(folds)))
    final: _Trained | None = None
    by_fold: dict[int, _Trained] = {}
    trials: list[Trial] = []
    mix: tuple[float, ...] = _PRIOR_MIX
    if validation is not None and len(validation):
        rows = validation.clean
        final, trials = _search(lambda tried: work.judged(tried, rows), rows.labels, recipe, changes)
        mix = _mix_of([final.outputs], rows.labels)
        recipe = final.recipe
    elif folds:
        labels = work.clean.labels[work.folds == folds[0]]
        first, trials = _search(lambda tried: work.without(folds[0], tried), labels, recipe, changes)
        by_fold[folds[0]], recipe = first, first.recipe
    for fold in folds:
        if fold not in by_fold:
            by_fold[fold] = work.without(fold, recipe)
    if final is None:
        final = work.trained(None, recipe)
        if folds:
            labels = torch.cat([work.clean.labels[work.folds == fold] for fold in by_fold])
            mix = _mix_of([trained.outputs for trained in by_fold.values()], labels)
    out_of_fold = torch.full((1, len(work.clean), support.n_classes), float("nan"))
    for fold, trained in by_fold.items():
        out_of_fold[0, work.folds == fold] = mixed(trained.outputs, mix)
    pairs: list[Pair] = []
    if by_fold:
        labels = torch.cat([work.clean.labels[work.folds == fold] for fold in by_fold])
        pairs = deconfused(_joined([trained.outputs for trained in by_fold.values()]), labels)
    return LdcFit(_head(final, support, mix), out_of_fold, final.log, trials, pairs)


@dataclass(frozen=True)
class _Trained:
    """A model with what it was trained by, what it starts from, and what it says of the photos that judge it."""

    recipe: Recipe
    model: LDC
    start: ZeroShotStart | StoredStart
    outputs: Outputs
    log: list[EpochLoss]


def _search(
    judged: Callable[[Recipe], _Trained], labels: Tensor, recipe: Recipe, changes: list[dict[str, Any]]
) -> tuple[_Trained, list[Trial]]:
    """Take a change where the log-loss of the judging photos falls by more than its standard error."""
    best = judged(recipe)
    losses = _losses(best.outputs, labels)
    trials = [Trial({}, float(losses.mean()), True)]
    for change in changes:
        if float(losses.mean()) < _NOTHING_TO_GAIN:
            break
        tried = judged(replace(best.recipe, **change))
        gains = losses - _losses(tried.outputs, labels)
        error = float(gains.std()) / len(gains) ** 0.5 if len(gains) > 1 else float("inf")
        kept = float(gains.mean()) > error
        trials.append(Trial(change, float((losses - gains).mean()), kept))
        if kept:
            best, losses = tried, losses - gains
    return best, trials


def _losses(outputs: Outputs, labels: Tensor) -> Tensor:
    """(n,) nats of each photo, outputs mixed as suits them best."""
    logits = mixed(outputs, _mix_of([outputs], labels))
    return torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")


def _head(trained: _Trained, support: Support, mix: tuple[float, ...]) -> LdcHead:
    assert support.projector is not None
    start = trained.start
    head = LdcHead()
    head.model_, head.recipe_, head.projector_, head.mix_ = trained.model, trained.recipe, support.projector, mix
    head.start_ = replace(start, logits=start.logits[:0]) if isinstance(start, StoredStart) else start
    return head


class Work:
    """One support set being fitted: which photos are where, and the log of all trainings."""

    def __init__(self, support: Support, settings: LdcSettings, progress: Progress | None) -> None:
        self.support, self.settings, self.progress = support, settings, progress
        self.clean_rows = (support.views == 0).nonzero().flatten()
        # what MAP-LR and the labels need; whole levels stay where they are
        self.clean = replace(support, features=replace(support.features, levels=(), class_tokens=())).clean
        self.folds = support.folds[0][self.clean_rows]
        self.cross_fits = CrossFits(self.clean, self.folds)
        self.trainings = (0, 1)  # begun, planned
        order = {image: place for place, image in enumerate(self.clean.images.tolist())}
        self.image_of_row = torch.from_numpy(np.array([order[image] for image in support.images.tolist()]))

    def judged(self, recipe: Recipe, photos: Support) -> _Trained:
        """A model of all photos, and what it says of others."""
        return self.trained(None, recipe, photos.features, torch.arange(len(photos)))

    def without(self, fold: int, recipe: Recipe) -> _Trained:
        """A model that has not seen a fold, and what it says of the fold's clean photos."""
        return self.trained(fold, recipe, self.support.features, self.clean_rows[self.folds == fold])

    def trained(
        self,
        held_out: int | None,
        recipe: Recipe,
        features: Features | None = None,
        rows: Tensor | None = None,
    ) -> _Trained:
        """A model of all photos but those of a fold (None: of all), and what it says of the chosen rows."""
        start = self.cross_fits.start(recipe.start, held_out)
        images = torch.arange(len(self.clean)) if held_out is None else (self.folds != held_out).nonzero().flatten()

        self.trainings = (self.trainings[0] + 1, self.trainings[1])
        log: list[EpochLoss] = []

        def tell(epoch: EpochLoss) -> None:
            log.append(epoch)
            if self.progress is not None:
                self.progress(TrainingProgress(*self.trainings, epoch))

        assert self.support.projector is not None
        model = train_ldc(
            HeldViews(self.support.features, self.image_of_row),
            self.clean.labels,
            start,
            self.support.projector,
            recipe,
            images=images,
            seed=self.settings.seed,
            device=self.settings.device,
            on_epoch=tell,
        )
        features = self.support.features if features is None else features
        rows = torch.arange(0) if rows is None else rows
        logits = start.scores(Features(features.embedding[rows]))
        return _Trained(recipe, model, start, outputs_of(model, features, rows, logits, recipe.level_mode), log)


def _mix_of(parts: Sequence[Outputs], labels: Tensor) -> tuple[float, ...]:
    """Weights of m, i, a, z with the lowest log-loss on photos that none of them has seen."""
    rows = torch.arange(0, len(labels), max(1, len(labels) // _ROWS_FOR_MIX))
    joined = _joined(parts)
    logits = [getattr(joined, name)[rows] for name in MIXED]
    return tuple(pool_weights(logits, labels[rows], _PRIOR_MIX, strength=1.0))


def _joined(parts: Sequence[Outputs]) -> Outputs:
    return Outputs(*(torch.cat(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))
