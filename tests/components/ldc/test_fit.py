"""Fitting: honest evidence, what the search may change, what is there with one photo a class."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from components.classifier import Candidate, choose, fit_candidate, held_out
from components.errors import UserInputError
from components.heads import HeadState, Support, head_from_state
from components.heads.map_lr import MapLR
from components.ldc import LdcHead, LdcSettings, fit_ldc
from components.ldc.family import alternatives, base_recipe
from components.ldc.fit import TrainingProgress, Work
from components.ldc.start import CrossFits
from tests.components.ldc.drawn import drawn

QUICK = LdcSettings(epochs=4)


def test_out_of_fold_logits_are_what_the_classifier_takes() -> None:
    support = drawn(4, 6, views=2)
    fit = fit_ldc(support, QUICK)
    candidates = [Candidate("ldc", fit.head, fit.out_of_fold), fit_candidate("map_lr", MapLR, support)]

    rows = held_out(candidates[0], support)

    assert fit.out_of_fold.shape == (1, 24, 4)
    assert len(rows.labels) == 24
    assert choose(candidates, support).name in ("ldc", "map_lr")


def test_what_is_said_of_a_held_out_photo_does_not_depend_on_its_label() -> None:
    support = drawn(3, 6)
    fold = support.folds[0] == 1
    scrambled = support.labels.clone()
    scrambled[fold] = (scrambled[fold] + 1) % 3
    other = replace(support, labels=scrambled)
    other.__dict__["folds"] = support.folds  # drawn by labels; the same ones here

    said = [Work(each, QUICK, None).without(1, base_recipe(QUICK, each)).outputs for each in (support, other)]

    assert torch.equal(said[0].alf, said[1].alf)
    assert torch.equal(said[0].clip, said[1].clip)


def test_with_one_photo_a_class_the_defaults_hold_and_nothing_was_tried() -> None:
    fit = fit_ldc(drawn(5, 1), QUICK)

    assert fit.out_of_fold.isnan().all()
    assert fit.trials == []
    assert fit.head.recipe_ == base_recipe(QUICK, drawn(5, 1))


def test_validation_photos_judge_where_there_are_any() -> None:
    support, validation = drawn(4, 6), drawn(4, 3, seed=0)

    fit = fit_ldc(support, QUICK, validation=validation)

    assert len(fit.trials) == 1 + len(alternatives(QUICK, base_recipe(QUICK, support), support))
    assert not fit.out_of_fold.isnan().any()


@pytest.mark.parametrize("vit", [False, True])
@pytest.mark.parametrize("form", ["published", "compact"])
def test_what_was_saved_scores_the_same_bit_for_bit(form: str, vit: bool) -> None:
    support = drawn(3, 4, mode="grid", vit=vit)
    head = fit_ldc(support, replace(QUICK, form=form, epochs=2)).head
    state = head.state()
    copied = HeadState(state.name, {name: t.clone() for name, t in state.tensors.items()}, state.settings)

    restored = head_from_state(copied)

    assert isinstance(restored, LdcHead)
    assert torch.equal(restored.scores(support.features), head.scores(support.features))
    assert restored.level_mode == head.level_mode


def test_fit_as_a_head_is_the_same_fit() -> None:
    support = drawn(3, 2)

    assert torch.equal(LdcHead().fit(support).scores(support.features), fit_ldc(support).head.scores(support.features))


def test_no_rows_give_no_scores() -> None:
    support = drawn(3, 2)

    assert fit_ldc(support, QUICK).head.scores(support.features[:0]).shape == (0, 3)


def test_every_epoch_of_every_training_is_told_and_logged() -> None:
    for shots, validation in ((1, None), (4, None), (4, drawn(3, 2))):
        heard: list[TrainingProgress] = []
        fit = fit_ldc(drawn(3, shots), QUICK, validation=validation, progress=heard.append)

        planned = heard[0].trainings
        assert [(each.training, each.epoch.epoch) for each in heard] == [
            (training, epoch) for training in range(1, planned + 1) for epoch in range(1, 5)
        ]
        assert [entry.epoch for entry in fit.log] == [1, 2, 3, 4]
        assert set(fit.log) <= {each.epoch for each in heard}


def test_what_the_settings_fix_is_not_tried() -> None:
    support = drawn(mode="grid")
    fixed = LdcSettings(fusion=1, learning_rate=1e-3, l1_weight=0.2, level_mode="grid")
    recipe = base_recipe(fixed, support)

    assert alternatives(fixed, recipe, support) == []
    assert (recipe.fusion, recipe.level_mode, recipe.loss_weights) == (1, "grid", (1.0, 1.0, 1.0, 0.2, 0.2))
    tries = LdcSettings(level_mode="auto")
    assert {"level_mode": "grid"} in alternatives(tries, base_recipe(tries, support), support)
    assert {"level_mode": "grid"} not in alternatives(tries, base_recipe(tries, drawn()), drawn())


@pytest.mark.parametrize(("mode", "read"), [("pooled", "pooled"), ("grid", "grid"), ("full", "full")])
def test_as_published_the_finest_levels_are_read_and_nothing_is_searched(mode: str, read: str) -> None:
    settings = LdcSettings(recipe="published", level_mode="auto")
    support = drawn(mode=mode)
    recipe = base_recipe(settings, support)

    assert (recipe.level_mode, recipe.start, recipe.learning_rate, recipe.epochs) == (read, "zero_shot", 1e-4, 50)
    assert alternatives(settings, recipe, support) == []


def test_where_nothing_is_left_to_gain_nothing_more_is_tried() -> None:
    support = drawn(2, 8, noise=0.01)

    assert [trial.change for trial in fit_ldc(support).trials] == [{}]


def test_levels_finer_than_what_is_cached_are_refused() -> None:
    with pytest.raises(UserInputError, match=r'ldc.level_mode is "full", and the cached levels are "pooled"'):
        fit_ldc(drawn(), LdcSettings(level_mode="full"))


@pytest.mark.parametrize("lacking", ["levels", "projector"])
def test_a_backbone_that_ldc_cannot_read_is_named(lacking: str) -> None:
    support = drawn()
    without: Support = (
        replace(support, projector=None)
        if lacking == "projector"
        else replace(support, features=replace(support.features, levels=()))
    )
    with pytest.raises(UserInputError, match="LDC reads four levels"):
        fit_ldc(without)


def test_training_photos_start_from_logits_that_had_not_seen_them() -> None:
    support = drawn(3, 8)
    fits = CrossFits(support, support.folds[0])
    start = fits.start("map_lr", None)
    fold = support.folds[0] == 1

    unseen = MapLR().fit(support.rows(~fold)).scores(support.features[fold])

    torch.testing.assert_close(start(fold.nonzero().flatten(), support.features), start.weight * unseen)
    twice = fits.start("map_lr", 0)
    left = (support.folds[0] != 0) & ~fold
    unseen = MapLR().fit(support.rows(left)).scores(support.features[fold])
    torch.testing.assert_close(twice(fold.nonzero().flatten(), support.features), twice.weight * unseen)


def test_two_photos_a_class_leave_no_class_empty() -> None:
    support = drawn(4, 2)

    assert fit_ldc(support, QUICK).out_of_fold.isfinite().all()
