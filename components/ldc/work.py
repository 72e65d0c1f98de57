"""The trainings of one support set: their photos, start logits, and common progress."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from components.features.carriers import Features
from components.features.keys import LevelMode
from components.heads.pooling import pool_weights
from components.heads.support import Support
from components.ldc.head import MIXED, mixed
from components.ldc.model import LDC, Outputs
from components.ldc.recipe import Recipe, Start
from components.ldc.settings import LdcSettings
from components.ldc.sources import HeldViews
from components.ldc.start import CrossFits, StoredStart, ZeroShotStart
from components.ldc.training import EpochLoss, Training, epochs_of, outputs_of, training_device

__all__ = [
    "PRIOR_MIX",
    "FitProgress",
    "Judging",
    "Running",
    "SupportTrainings",
    "Trained",
    "joined_outputs",
    "losses_of",
    "mix_of",
]

PRIOR_MIX = (0.4, 0.4, 0.2, 0.2)
"""Start weights of m, i, a, z: mostly the mean of two outputs that err differently."""

_ROWS_FOR_MIX = 2000  # held-out rows beyond which four weights no longer change

Progress = Callable[["FitProgress"], None]
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class FitProgress:
    """The progress of a fit, which takes several trainings.

    Attributes:
        done: epochs so far, over all trainings.
        planned: epochs in all; it falls when a trial is dropped.
        epoch: the one that has just ended, of one of the trainings at work.
    """

    done: int
    planned: int
    epoch: EpochLoss


@dataclass(frozen=True)
class Trained:
    """A model with its recipe, its start, and its outputs for the photos that judge it.

    Attributes:
        recipe: how it was trained.
        model: in evaluation mode.
        start: what ICD deconfuses.
        outputs: for the photos that judge it; empty if there are none.
        log: every epoch.
    """

    recipe: Recipe
    model: LDC
    start: ZeroShotStart | StoredStart
    outputs: Outputs
    log: list[EpochLoss]


@dataclass(frozen=True)
class Judging:
    """Photos that judge a model; whole levels stay on disk until they are read.

    Attributes:
        features: features that include the judging rows.
        rows: (n,) int64.
        labels: (n,) int64, of those rows.
    """

    features: Features
    rows: Tensor
    labels: Tensor


class SupportTrainings:
    """The fit of one support set: the photos and start logits of its trainings, and their common progress.

    Args:
        support: rows with levels, and the backbone's projector.
        settings: of the family.
        progress: hears of every epoch of every training.
        validation: labelled photos that are not in `support`.

    Attributes:
        clean: one row per image, without levels.
        folds: (n,) int64, the fold of each image.
        fold_numbers: numbers of the folds that hold photos out.
        validation: the photos that judge a model of all photos; None if there are none.
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
        # enough for MAP-LR and the labels; whole levels stay on disk
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
        """The support rows with pooled levels; if levels are finer they are read and pooled once."""
        return self.support.features.pooled()

    def features(self, mode: LevelMode) -> Features:
        """The support rows, with levels at least as fine as `mode`."""
        return self._pooled if mode == "pooled" else self.support.features

    def photos_of(self, held_out: int | None) -> Tensor:
        """Image numbers that a model trains on: all but those of a fold (None: all)."""
        return torch.arange(len(self.clean)) if held_out is None else (self.folds != held_out).nonzero().flatten()

    def judging(self, held_out: int | None) -> Judging:
        """The photos that judge a model trained without a fold: the fold's clean rows; with None validation photos."""
        if held_out is not None:
            mine = self.folds == held_out
            return Judging(self.support.features, self.clean_rows[mine], self.clean.labels[mine])
        if self.validation is not None:
            return self.validation
        return Judging(self.support.features, self.clean_rows[:0], self.clean.labels[:0])

    def start(self, kind: Start, held_out: int | None) -> ZeroShotStart | StoredStart:
        """The start logits of a model that is trained without a fold."""
        with self._lock:
            if (kind, held_out) not in self._starts:
                self._starts[kind, held_out] = self._cross_fits.start(kind, held_out)
            return self._starts[kind, held_out]

    def plan(self, recipe: Recipe, trainings: Sequence[int | None]) -> None:
        """Count further planned trainings, each given by the fold that it holds out."""
        self._planned += sum(epochs_of(recipe, len(self.photos_of(held_out))) for held_out in trainings)

    def count(self, epoch: EpochLoss) -> None:
        """Note that one more epoch is done."""
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._progress(FitProgress(self._done, max(self._done, self._planned), epoch))

    def uncount(self, epochs: int) -> None:
        """Note that so many planned epochs are dropped."""
        self._planned -= epochs

    def trained(self, held_out: int | None, recipe: Recipe) -> Trained:
        """Train a model on all photos but those of a fold."""
        running = self.begin(held_out, recipe)
        running.run()
        return running.trained()

    def side_by_side(self, works: Sequence[Callable[[], _Result]]) -> list[_Result]:
        """Run the functions, as many at a time as there are cores; the results are in order."""
        on_cpu = training_device(self.settings.device).type == "cpu"
        workers = min(len(works), os.cpu_count() or 1) if on_cpu else 1
        if workers < 2:
            return [work() for work in works]
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(lambda work: work(), works))

    def begin(self, held_out: int | None, recipe: Recipe) -> Running:
        """A model for all photos but those of a fold, not trained yet."""
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
        return Running(self, held_out, start, training)


@dataclass(frozen=True)
class Running:
    """A training that can be paused, judged and continued."""

    work: SupportTrainings
    held_out: int | None
    start: ZeroShotStart | StoredStart
    training: Training

    def run(self, until: int | None = None) -> None:
        """See `Training.run`."""
        self.training.run(until, self.work.count)

    def drop(self) -> None:
        """Note that it will not be continued."""
        self.work.uncount(self.training.epochs - len(self.training.log))

    def losses(self) -> Tensor:
        """(n,) nats of each photo that judges it."""
        return losses_of(self.trained().outputs, self.work.judging(self.held_out).labels)

    def trained(self) -> Trained:
        """The model as it is now."""
        recipe, model = self.training.recipe, self.training.model()
        judging = self.work.judging(self.held_out)
        logits = self.start.scores(Features(judging.features.embedding[judging.rows]))
        outputs = outputs_of(model, judging.features, judging.rows, logits, recipe.level_mode)
        return Trained(recipe, model, self.start, outputs, list(self.training.log))


def losses_of(outputs: Outputs, labels: Tensor) -> Tensor:
    """(n,) nats of each photo, with the best mix of the outputs."""
    logits = mixed(outputs, mix_of([outputs], labels))
    return torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")


def mix_of(parts: Sequence[Outputs], labels: Tensor) -> tuple[float, ...]:
    """Weights of m, i, a, z with the lowest log-loss on photos that the model has not seen."""
    rows = torch.arange(0, len(labels), max(1, len(labels) // _ROWS_FOR_MIX))
    joined = joined_outputs(parts)
    logits = [getattr(joined, name)[rows] for name in MIXED]
    return tuple(pool_weights(logits, labels[rows], PRIOR_MIX, strength=1.0))


def joined_outputs(parts: Sequence[Outputs]) -> Outputs:
    """The rows of all parts, in order."""
    return Outputs(*(torch.cat(column) for column in zip(*(vars(part).values() for part in parts), strict=True)))
