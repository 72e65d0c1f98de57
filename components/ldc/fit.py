"""Fits LDC: chooses a recipe of its family on held-out photos, then trains the final model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from components.artefacts import Pair
from components.heads.support import Support
from components.ldc.deconfused import deconfused
from components.ldc.family import alternatives, base_recipe, tries_grids
from components.ldc.head import LdcHead, mixed
from components.ldc.recipe import Recipe
from components.ldc.settings import LdcSettings
from components.ldc.start import StoredStart, check_projector
from components.ldc.training import EpochLoss
from components.ldc.work import (
    PRIOR_MIX,
    FitProgress,
    Progress,
    SupportTrainings,
    Trained,
    joined_outputs,
    losses_of,
    mix_of,
)
from components.threads import one_thread

__all__ = ["FitProgress", "LdcFit", "Trial", "fit_ldc"]

_NOTHING_TO_GAIN = 0.01  # nats per photo: a fit with so low a loss needs no further trial
_FIRST_LOOK = 3  # after this fraction of the epochs (one over it), changes that are not ahead are dropped


@dataclass(frozen=True)
class Trial:
    """A recipe that was tried.

    Attributes:
        change: what it changes relative to the start of the search.
        epochs: the epoch at which it was judged last; fewer than the start's epochs if it was dropped early.
        log_loss: nats per judging photo at that epoch, with its outputs mixed; lower is better.
        gain: nats by which that is below the loss of the start of the search after as many epochs.
        kept: whether it was chosen.
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
        log: every epoch of the final model.
        trials: the recipes that were tried, the start of the search first; empty if there was nothing to judge on.
        deconfused: the pairs of classes that its start logits or LDC confuse most, out of fold.
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
    out_of_fold: bool = True,
) -> LdcFit:
    """Choose a recipe on validation photos or on a fold, then train it on all photos, and once without each fold.

    With validation photos, each recipe is trained on the whole support set and judged on them. Without, it is judged on
    the first fold. The search reads pooled levels, and its result is used for finer ones too. If there is neither (one
    photo per class), the defaults are used. Trainings run side by side, each with one thread of arithmetic, so that the
    number of cores changes no bit.

    Args:
        support: rows with levels (in memory or mapped), and the backbone's projector.
        settings: of the family; None: the defaults.
        validation: further labelled photos with levels, not in `support`.
        progress: hears of every epoch of every training.
        out_of_fold: False skips the models without each fold if there are validation photos. There are then no
            out-of-fold logits, so that a classifier cannot choose it.

    Raises:
        UserInputError: the features have no levels, or the backbone no projector that LDC knows.
    """
    check_projector(support)
    with one_thread():
        work = SupportTrainings(support, settings or LdcSettings(), progress, validation)
        if not out_of_fold and work.validation is not None:
            work.fold_numbers = []
        return _fit(work)


def _fit(work: SupportTrainings) -> LdcFit:
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
    # longest first, so that no core waits long for the last one
    missing = sorted((part for part in parts if part not in done), key=lambda part: -len(work.photos_of(part)))
    done |= zip(missing, work.side_by_side([partial(work.trained, part, recipe) for part in missing]), strict=True)
    return _with_evidence(work, done, trials)


def _with_evidence(work: SupportTrainings, done: dict[int | None, Trained], trials: list[Trial]) -> LdcFit:
    """The fit of a model trained on all photos (None) and of models trained without each fold."""
    final, support = done[None], work.support
    by_fold = {fold: done[fold] for fold in work.fold_numbers}
    labels = torch.cat([work.clean.labels[:0], *(work.judging(fold).labels for fold in by_fold)])
    mix: tuple[float, ...] = PRIOR_MIX
    if work.validation is not None:
        mix = mix_of([final.outputs], work.validation.labels)
    elif by_fold:
        mix = mix_of([trained.outputs for trained in by_fold.values()], labels)
    out_of_fold = torch.full((1, len(work.clean), support.n_classes), float("nan"))
    for fold, trained in by_fold.items():
        out_of_fold[0, work.folds == fold] = mixed(trained.outputs, mix)
    pairs: list[Pair] = []
    if by_fold:
        unseen = joined_outputs([trained.outputs for trained in by_fold.values()])
        pairs = deconfused(unseen, mixed(unseen, mix), labels)
    return LdcFit(_head(final, support, mix), out_of_fold, final.log, trials, pairs)


def _search(
    work: SupportTrainings, judged: int | None, recipe: Recipe, changes: list[dict[str, Any]]
) -> tuple[Trained, list[Trial]]:
    """Take the change that lowers the judging photos' log-loss most, if the gain exceeds its standard error.

    After a third of the epochs changes that are not ahead of `recipe` itself are dropped; the others go on to the end,
    since the one that is furthest ahead then is often not the one that is best (docs/experiments/ldc.md). This is
    successive halving (Jamieson and Talwalkar, 2016) that always keeps the start of the search.
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
    gains = [standing - each for each in losses]
    ahead = [place for place, gain in enumerate(gains) if float(gain.mean()) > 0]
    for place, rival in enumerate(rivals):
        if place not in ahead:
            rival.drop()
    work.side_by_side([first.run, *(rivals[place].run for place in ahead)])
    standing = first.losses()
    for place in ahead:
        losses[place] = rivals[place].losses()
        gains[place] = standing - losses[place]
    best = max(ahead, key=lambda place: float(gains[place].mean()), default=None)
    if best is not None and not _is_gain(gains[best]):
        best = None
    trials = [Trial({}, len(first.training.log), float(standing.mean()), 0.0, best is None)]
    trials += [
        Trial(change, len(rival.training.log), float(loss.mean()), float(gain.mean()), place == best)
        for place, (change, rival, loss, gain) in enumerate(zip(changes, rivals, losses, gains, strict=True))
    ]
    return (first if best is None else rivals[best]).trained(), trials


def _on_grids(
    work: SupportTrainings, judged: int | None, best: Trained, trials: list[Trial]
) -> tuple[Trained, list[Trial]]:
    """Compare the best recipe on pooled levels with the same on grids, which take several times as long."""
    work.plan(best.recipe, [judged])
    finer = work.trained(judged, replace(best.recipe, level_mode="grid"))
    labels = work.judging(judged).labels
    losses = losses_of(finer.outputs, labels)
    gain = losses_of(best.outputs, labels) - losses
    kept = _is_gain(gain)
    trials = [replace(trial, kept=trial.kept and not kept) for trial in trials]
    trials.append(Trial({"level_mode": "grid"}, len(finer.log), float(losses.mean()), float(gain.mean()), kept))
    return (finer if kept else best), trials


def _is_gain(gains: Tensor) -> bool:
    """Whether the mean of the (n,) gains exceeds its standard error."""
    return len(gains) > 1 and float(gains.mean()) > float(gains.std()) / math.sqrt(len(gains))


def _head(trained: Trained, support: Support, mix: tuple[float, ...]) -> LdcHead:
    assert support.projector is not None
    start = trained.start
    head = LdcHead()
    head.model_, head.recipe_, head.projector_, head.mix_ = trained.model, trained.recipe, support.projector, mix
    head.start_ = replace(start, logits=start.logits[:0]) if isinstance(start, StoredStart) else start
    return head
