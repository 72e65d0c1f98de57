"""Fitting LDC: the choice within its own family on held-out photos, then the model that is kept."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from components.artefacts import Pair
from components.features.carriers import Features
from components.features.keys import LevelMode
from components.heads.pooling import pool_weights
from components.heads.support import Support
from components.ldc.deconfused import deconfused
from components.ldc.family import alternatives, base_recipe, tries_grids
from components.ldc.head import MIXED, LdcHead, mixed
from components.ldc.model import LDC, Outputs
from components.ldc.recipe import Recipe, Start
from components.ldc.settings import LdcSettings
from components.ldc.sources import HeldViews
from components.ldc.start import CrossFits, StoredStart, ZeroShotStart, check_projector
from components.ldc.training import EpochLoss, Training, epochs_of, outputs_of, training_device
from components.threads import one_thread

__all__ = ["LdcFit", "Trained", "TrainingProgress", "Trial", "Work", "fit_ldc"]

_PRIOR_MIX = (0.4, 0.4, 0.2, 0.2)  # of m, i, a, z: the mean of two that err differently, the others beside them
_NOTHING_TO_GAIN = 0.01  # nats a photo: who is that sure and right needs no further trial
_FIRST_LOOK = 3  # after one in so many epochs, changes that are not ahead are dropped
_ROWS_FOR_MIX = 2000  # held-out rows after which four weights change no more

Progress = Callable[["TrainingProgress"], None]
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class TrainingProgress:
    """How far a fit is, which takes several trainings.

    Attributes:
        done: epochs so far, over all trainings.
        planned: epochs in all; it falls when a trial is dropped.
        epoch: the one that has just ended, of one of the trainings at work.
    """

    done: int
    planned: int
    epoch: EpochLoss


@dataclass(frozen=True)
class Trial:
    """A recipe that was tried.

    Attributes:
        change: what it changes against where the search starts.
        epochs: after how many it was judged last; fewer than the start has where it was dropped early.
        log_loss: nats a judging photo then, its outputs mixed; lower is better.
        gain: by how many nats that is below what the start of the search had after as many epochs.
        kept: it was chosen.
    """

    change: dict[str, Any]
    epochs: int
    log_loss: float
    gain: float
    kept: bool


@dataclass(frozen=True)
class LdcFit:
    """A fitted LDC with its evidence.

    Attributes:
        head: trained on the whole support set.
        out_of_fold: (1, n, K) float32 logits of the clean rows from models that had not seen the photo's fold; NaN for
            photos that are never held out. The form of `components.classifier.Candidate`.
        log: every epoch of the model that is kept.
        trials: what was tried, the start of the search first; empty where there was nothing to judge on.
        deconfused: the pairs of classes mistaken most by what it starts from or by LDC, out of fold.
    """

    head: LdcHead
    out_of_fold: Tensor
    log: list[EpochLoss]
    trials: list[Trial]
    deconfused: list[Pair]


@dataclass(frozen=True)
class Trained:
    """A model with what it was trained by, what it starts from, and what it says of the photos that judge it.

    Attributes:
        recipe: how it was trained.
        model: in evaluation mode.
        start: what ICD deconfuses.
        outputs: of the photos that judge it; empty where there are none.
        log: every epoch.
    """

    recipe: Recipe
    model: LDC
    start: ZeroShotStart | StoredStart
    outputs: Outputs
    log: list[EpochLoss]


def fit_ldc(
    support: Support,
    settings: LdcSettings | None = None,
    *,
    validation: Support | None = None,
    progress: Progress | None = None,
    out_of_fold: bool = True,
) -> LdcFit:
    """Choose on validation photos or on a fold, then train on everything, and once without each fold.

    With validation photos each recipe is trained on the whole support set and judged on them; without, on the first
    fold. The search reads pooled levels; what it finds is taken over to finer ones. Where there is neither (one photo a
    class) the defaults hold. Trainings run side by side, each with one thread of arithmetic, so that the number of
    cores changes no bit.

    Args:
        support: rows with levels (in memory or mapped), and the backbone's projector.
        settings: of the family; the defaults where None.
        validation: further labelled photos with levels, not in `support`.
        progress: hears of every epoch of every training.
        out_of_fold: False saves the models without each fold where validation photos judge: nothing is then known of
            support photos that the head has not seen, so that a classifier cannot choose it.

    Raises:
        UserInputError: the features have no levels, or the backbone no projector that LDC knows.
    """
    check_projector(support)
    with one_thread():
        work = Work(support, settings or LdcSettings(), progress, validation)
        if not out_of_fold and work.validation is not None:
            work.fold_numbers = []
        return _fit(work)


def _fit(work: Work) -> LdcFit:
    settings, recipe = work.settings, base_recipe(work.settings, work.support)
    parts: list[int | None] = [*work.fold_numbers, None]
    done: dict[int | None, Trained] = {}
    trials: list[Trial] = []
    if work.validation is not None or work.fold_numbers:
        judged = None if work.validation is not None else work.fold_numbers[0]
        changes = alternatives(settings)
        searched = replace(recipe, level_mode="pooled") if changes else recipe
        work.plan(recipe, parts if searched != recipe else [part for part in parts if part != judged])
        best, trials = _search(work, judged, searched, changes)
        if tries_grids(settings, work.support):
            best, trials = _on_grids(work, judged, best, trials)
            recipe = best.recipe
        recipe = replace(best.recipe, level_mode=recipe.level_mode)
        if best.recipe == recipe:
            done[judged] = best
    else:
        work.plan(recipe, parts)
    missing = [part for part in parts if part not in done]
    done |= zip(missing, work.side_by_side([partial(work.trained, part, recipe) for part in missing]), strict=True)
    return _with_evidence(work, done, trials)


def _with_evidence(work: Work, done: dict[int | None, Trained], trials: list[Trial]) -> LdcFit:
    """The fit of a model trained on everything (None) and models trained without each fold."""
    final, support = done[None], work.support
    by_fold = {fold: done[fold] for fold in work.fold_numbers}
    labels = torch.cat([work.clean.labels[:0], *(work.judging(fold).labels for fold in by_fold)])
    mix: tuple[float, ...] = _PRIOR_MIX
    if work.validation is not None:
        mix = _mix_of([final.outputs], work.validation.labels)
    elif by_fold:
        mix = _mix_of([trained.outputs for trained in by_fold.values()], labels)
    out_of_fold = torch.full((1, len(work.clean), support.n_classes), float("nan"))
    for fold, trained in by_fold.items():
        out_of_fold[0, work.folds == fold] = mixed(trained.outputs, mix)
    pairs: list[Pair] = []
    if by_fold:
        unseen = _joined([trained.outputs for trained in by_fold.values()])
        pairs = deconfused(unseen, mixed(unseen, mix), labels)
    return LdcFit(_head(final, support, mix), out_of_fold, final.log, trials, pairs)


def _search(
    work: Work, judged: int | None, recipe: Recipe, changes: list[dict[str, Any]]
) -> tuple[Trained, list[Trial]]:
    """Take the change that lowers the judging photos' log-loss most, where by more than the gain's standard error.

    After a third of the epochs the changes that are not ahead of `recipe` itself are dropped, so that most cost a third
    of a training. Successive halving (Jamieson and Talwalkar, 2016), with the start of the search always kept.
    """
    work.plan(recipe, [judged] * (1 + len(changes)))
    first = work.begin(judged, recipe)
    look = math.ceil(first.training.epochs / _FIRST_LOOK)
    first.run(look)
    standing = first.losses()
    if float(standing.mean()) < _NOTHING_TO_GAIN:
        work.uncount(len(changes) * first.training.epochs)
        changes = []
    rivals = [work.begin(judged, replace(recipe, **change)) for change in changes]
    work.side_by_side([partial(rival.run, look) for rival in rivals])
    losses = [rival.losses() for rival in rivals]
    ahead = [place for place, each in enumerate(losses) if float((standing - each).mean()) > 0]
    gains = [standing - each for each in losses]
    for place, rival in enumerate(rivals):
        if place not in ahead:
            rival.drop()
    work.side_by_side([each.run for each in (first, *(rivals[place] for place in ahead))])
    standing = first.losses()
    best: int | None = None
    for place in ahead:
        losses[place] = rivals[place].losses()
        gains[place] = standing - losses[place]
        if _is_gain(gains[place]) and (best is None or float(gains[place].mean()) > float(gains[best].mean())):
            best = place
    trials = [Trial({}, len(first.training.log), float(standing.mean()), 0.0, best is None)]
    trials += [
        Trial(change, len(rival.training.log), float(loss.mean()), float(gain.mean()), place == best)
        for place, (change, rival, loss, gain) in enumerate(zip(changes, rivals, losses, gains, strict=True))
    ]
    return (first if best is None else rivals[best]).trained(), trials


def _on_grids(work: Work, judged: int | None, best: Trained, trials: list[Trial]) -> tuple[Trained, list[Trial]]:
    """The best of pooled levels against the same on grids, which take several times as long."""
    work.plan(best.recipe, [judged])
    finer = work.trained(judged, replace(best.recipe, level_mode="grid"))
    labels = work.judging(judged).labels
    losses = _losses(finer.outputs, labels)
    gain = _losses(best.outputs, labels) - losses
    kept = _is_gain(gain)
    trials = [replace(trial, kept=trial.kept and not kept) for trial in trials]
    trials.append(Trial({"level_mode": "grid"}, len(finer.log), float(losses.mean()), float(gain.mean()), kept))
    return (finer if kept else best), trials


def _is_gain(gains: Tensor) -> bool:
    """Whether the mean of (n,) gains is above its standard error."""
    return len(gains) > 1 and float(gains.mean()) > float(gains.std()) / math.sqrt(len(gains))


def _losses(outputs: Outputs, labels: Tensor) -> Tensor:
    """(n,) nats of each photo, outputs mixed as suits them best."""
    logits = mixed(outputs, _mix_of([outputs], labels))
    return torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")


def _head(trained: Trained, support: Support, mix: tuple[float, ...]) -> LdcHead:
    assert support.projector is not None
    start = trained.start
    head = LdcHead()
    head.model_, head.recipe_, head.projector_, head.mix_ = trained.model, trained.recipe, support.projector, mix
    head.start_ = replace(start, logits=start.logits[:0]) if isinstance(start, StoredStart) else start
    return head


@dataclass(frozen=True)
class Judging:
    """Photos that judge a model; whole levels stay where they are until they are read.

    Attributes:
        features: of which rows judge.
        rows: (n,) int64.
        labels: (n,) int64, of those rows.
    """

    features: Features
    rows: Tensor
    labels: Tensor


class Work:
    """One support set being fitted: which photos are where, what trainings start from, how far all of them are.

    Args:
        support: rows with levels, and the backbone's projector.
        settings: of the family.
        progress: hears of every epoch of every training.
        validation: labelled photos that are not in `support`.

    Attributes:
        clean: one row an image, without levels.
        folds: (n,) int64, the fold of each image.
        fold_numbers: those that hold somebody out.
        validation: what judges a model of all photos; None where there are no such photos.
    """

    def __init__(
        self,
        support: Support,
        settings: LdcSettings,
        progress: Progress | None = None,
        validation: Support | None = None,
    ) -> None:
        self.support, self.settings = support, settings
        self.validation: Judging | None = None
        if validation is not None and len(validation):
            rows = (validation.views == 0).nonzero().flatten()
            self.validation = Judging(validation.features, rows, validation.labels[rows])
        self.clean_rows = (support.views == 0).nonzero().flatten()
        # what MAP-LR and the labels need; whole levels stay where they are
        self.clean = replace(support, features=replace(support.features, levels=(), class_tokens=())).clean
        self.folds = support.folds[0][self.clean_rows]
        self.fold_numbers = [fold for fold in range(int(self.folds.max()) + 1) if bool((self.folds == fold).any())]
        order = {image: place for place, image in enumerate(self.clean.images.tolist())}
        self._image_of_row = torch.from_numpy(np.array([order[image] for image in support.images.tolist()]))
        self._cross_fits = CrossFits(self.clean, self.folds)
        self._starts: dict[tuple[Start, int | None], ZeroShotStart | StoredStart] = {}
        self._progress, self._done, self._planned = progress, 0, 0
        self._lock = threading.Lock()  # trainings run side by side

    @cached_property
    def _pooled(self) -> Features:
        """The support rows with pooled levels, read once where they are finer."""
        return self.support.features.pooled()

    def features(self, mode: LevelMode) -> Features:
        """The support rows, with levels at least as fine as `mode`."""
        return self._pooled if mode == "pooled" else self.support.features

    def photos_of(self, held_out: int | None) -> Tensor:
        """Image numbers that a model trains on: all but those of a fold (None: all)."""
        return torch.arange(len(self.clean)) if held_out is None else (self.folds != held_out).nonzero().flatten()

    def judging(self, held_out: int | None) -> Judging:
        """What judges a model that has not seen a fold: the fold's clean rows; validation where it has seen all."""
        if held_out is not None:
            mine = self.folds == held_out
            return Judging(self.support.features, self.clean_rows[mine], self.clean.labels[mine])
        if self.validation is not None:
            return self.validation
        return Judging(self.support.features, self.clean_rows[:0], self.clean.labels[:0])

    def start(self, kind: Start, held_out: int | None) -> ZeroShotStart | StoredStart:
        """What a model that has not seen a fold starts from."""
        with self._lock:
            if (kind, held_out) not in self._starts:
                self._starts[kind, held_out] = self._cross_fits.start(kind, held_out)
            return self._starts[kind, held_out]

    def plan(self, recipe: Recipe, trainings: Sequence[int | None]) -> None:
        """Count trainings among those to come, each by the fold that it holds out."""
        self._planned += sum(epochs_of(recipe, len(self.photos_of(held_out))) for held_out in trainings)

    def count(self, epoch: EpochLoss) -> None:
        """One more epoch is done."""
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._progress(TrainingProgress(self._done, max(self._done, self._planned), epoch))

    def uncount(self, epochs: int) -> None:
        """So many epochs will not come."""
        self._planned -= epochs

    def trained(self, held_out: int | None, recipe: Recipe) -> Trained:
        """A model of all photos but those of a fold."""
        running = self.begin(held_out, recipe)
        running.run()
        return running.trained()

    def side_by_side(self, works: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """Their results, in order; as many at a time as there are cores."""
        on_cpu = training_device(self.settings.device).type == "cpu"
        workers = min(len(works), os.cpu_count() or 1) if on_cpu else 1
        if workers < 2:
            return [work() for work in works]
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(lambda work: work(), works))

    def begin(self, held_out: int | None, recipe: Recipe) -> _Running:
        """A model of all photos but those of a fold, not trained yet."""
        assert self.support.projector is not None
        start = self.start(recipe.start, held_out)
        training = Training(
            HeldViews(self.features(recipe.level_mode), self._image_of_row),
            self.clean.labels,
            start,
            self.support.projector,
            recipe,
            images=self.photos_of(held_out),
            seed=self.settings.seed,
            device=self.settings.device,
        )
        return _Running(self, held_out, start, training)


@dataclass(frozen=True)
class _Running:
    """A training that may be stopped, judged and taken further."""

    work: Work
    held_out: int | None
    start: ZeroShotStart | StoredStart
    training: Training

    def run(self, until: int | None = None) -> None:
        """See `Training.run`."""
        self.training.run(until, self.work.count)

    def drop(self) -> None:
        """It will not be taken further."""
        self.work.uncount(self.training.epochs - len(self.training.log))

    def losses(self) -> Tensor:
        """(n,) nats of each photo that judges it."""
        return _losses(self.trained().outputs, self.work.judging(self.held_out).labels)

    def trained(self) -> Trained:
        """As far as it is now."""
        recipe, model = self.training.recipe, self.training.model()
        judging = self.work.judging(self.held_out)
        logits = self.start.scores(Features(judging.features.embedding[judging.rows]))
        outputs = outputs_of(model, judging.features, judging.rows, logits, recipe.level_mode)
        return Trained(recipe, model, self.start, outputs, list(self.training.log))


def _mix_of(parts: Sequence[Outputs], labels: Tensor) -> tuple[float, ...]:
    """Weights of m, i, a, z with the lowest log-loss on photos that none of them has seen."""
    rows = torch.arange(0, len(labels), max(1, len(labels) // _ROWS_FOR_MIX))
    joined = _joined(parts)
    logits = [getattr(joined, name)[rows] for name in MIXED]
    return tuple(pool_weights(logits, labels[rows], _PRIOR_MIX, strength=1.0))


def _joined(parts: Sequence[Outputs]) -> Outputs:
    return Outputs(*(torch.cat(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))
