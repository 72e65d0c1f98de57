"""Fitting: honest evidence, what the search may change, what is there with one photo per class."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from components.classifier import HEADS, Candidate, choose, fit_candidate, fit_head, head_from_state, held_out
from components.errors import UserInputError
from components.heads import HeadState, Support
from components.heads.anchored import learn_from_pool
from components.heads.gaussian import fit_two_covariance
from components.heads.map_lr import MapLR
from components.heads.pooling import pool_weights
from components.ldc import OURS, LdcHead, LdcSettings, fit_ldc
from components.ldc.family import alternatives, base_recipe, tries_grids
from components.ldc.start import CrossFits, StoredStart, start_from_state
from components.ldc.work import FitProgress, SupportTrainings
from tests.support.drawn_levels import QUICK, drawn
from tests.support.drawn_rows import drawn_support


def test_out_of_fold_logits_are_what_the_classifier_takes() -> None:
    support = drawn(4, 6, views=2)
    fit = fit_ldc(support, QUICK)
    candidates = [Candidate("ldc", fit.head, fit.out_of_fold), fit_candidate("map_lr", HEADS["map_lr"].fit, support)]

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

    said = [SupportTrainings(each, QUICK).trained(1, base_recipe(QUICK, each)).outputs for each in (support, other)]

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

    assert len(fit.trials) == 1 + len(alternatives(QUICK))
    assert not fit.out_of_fold.isnan().any()


def test_without_out_of_fold_logits_validation_photos_choose_the_same_head() -> None:
    support, validation = drawn(4, 6, noise=2.0), drawn(4, 3, noise=2.0, seed=1)

    whole, short = (fit_ldc(support, QUICK, validation=validation, out_of_fold=each) for each in (True, False))

    assert short.out_of_fold.isnan().all()
    assert short.deconfused == []
    assert torch.equal(short.head.scores(support.features), whole.head.scores(support.features))
    assert fit_ldc(support, QUICK, out_of_fold=False).out_of_fold.isfinite().all()  # folds judge: they are needed


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

    assert torch.equal(
        fit_head("ldc", support).scores(support.features), fit_ldc(support).head.scores(support.features)
    )


def test_no_rows_give_no_scores() -> None:
    support = drawn(3, 2)

    assert fit_ldc(support, QUICK).head.scores(support.features[:0]).shape == (0, 3)


def test_every_epoch_of_every_training_is_told_and_the_kept_one_s_are_logged() -> None:
    for shots, validation in ((1, None), (4, None), (4, drawn(3, 2))):
        heard: list[FitProgress] = []
        fit = fit_ldc(drawn(3, shots), QUICK, validation=validation, progress=heard.append)

        assert [each.done for each in heard] == list(range(1, heard[-1].planned + 1))
        assert all(each.planned <= heard[0].planned for each in heard)  # what is dropped does not come back
        assert [entry.epoch for entry in fit.log] == [1, 2, 3, 4]
        assert set(fit.log) <= {each.epoch for each in heard}


def test_what_the_settings_fix_is_not_tried() -> None:
    support = drawn(mode="grid")
    fixed = LdcSettings(fusion=1, learning_rate=1e-3, l1_weight=0.2, level_mode="grid")
    recipe = base_recipe(fixed, support)

    assert alternatives(fixed) == []
    assert (recipe.fusion, recipe.level_mode, recipe.loss_weights) == (1, "grid", (1.0, 1.0, 1.0, 0.2, 0.2))
    tries = LdcSettings(level_mode="auto")
    assert tries_grids(tries, support)
    rates = [
        change["learning_rate"]
        for form in ("published", "compact")
        for change in alternatives(LdcSettings(form=form))
        if "learning_rate" in change
    ]
    assert rates[0] < OURS.learning_rate < rates[1]
    assert not tries_grids(tries, drawn())
    assert not tries_grids(fixed, support)
    wide = replace(support.features, levels=tuple(torch.zeros(len(support), 4, 7, 7) for _ in range(4)))
    # a step on 49 squares takes too long to be tried unasked
    assert not tries_grids(tries, replace(support, features=wide))


@pytest.mark.parametrize(("mode", "read"), [("pooled", "pooled"), ("grid", "grid"), ("full", "full")])
def test_as_published_the_finest_levels_are_read_and_nothing_is_searched(mode: str, read: str) -> None:
    settings = LdcSettings(recipe="published", level_mode="auto")
    support = drawn(mode=mode)
    recipe = base_recipe(settings, support)

    assert (recipe.level_mode, recipe.start, recipe.learning_rate, recipe.epochs) == (read, "zero_shot", 1e-4, 50)
    assert alternatives(settings) == []


def test_where_nothing_is_left_to_gain_nothing_more_is_tried() -> None:
    support = drawn(2, 8, noise=0.01)

    assert [trial.change for trial in fit_ldc(support).trials] == [{}]


def test_a_change_that_is_not_ahead_after_a_third_of_the_epochs_goes_no_further() -> None:
    support = drawn(4, 6, noise=2.0)
    trials = fit_ldc(support, LdcSettings(epochs=9)).trials

    assert [trial.change for trial in trials] == [{}, *alternatives(LdcSettings())]
    assert (trials[0].epochs, trials[0].gain) == (9, 0.0)
    assert {trial.epochs for trial in trials[1:]} <= {3, 9}
    assert all(trial.gain <= 0 for trial in trials if trial.epochs == 3)
    assert any(trial.epochs == 3 for trial in trials)
    assert [trial.kept for trial in trials].count(True) == 1


def test_finer_levels_are_searched_in_pooled_ones_and_trained_as_they_are() -> None:
    support = drawn(4, 6, mode="grid", noise=2.0)
    pooled, grid = (fit_ldc(support, LdcSettings(epochs=4, level_mode=mode)) for mode in ("pooled", "grid"))

    assert grid.head.level_mode == "grid"
    assert grid.trials == pooled.trials
    assert not torch.equal(grid.out_of_fold, pooled.out_of_fold)


def test_where_grids_are_left_open_they_are_tried_last() -> None:
    fit = fit_ldc(drawn(4, 6, mode="grid", noise=2.0), LdcSettings(epochs=4, level_mode="auto"))

    assert fit.trials[-1].change == {"level_mode": "grid"}
    assert (fit.head.level_mode == "grid") is fit.trials[-1].kept


def test_the_number_of_cores_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    support = drawn(4, 6, noise=2.0)
    fits = []
    for cores in (1, 3):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        fits.append(fit_ldc(support, QUICK))

    assert torch.equal(fits[0].out_of_fold, fits[1].out_of_fold)
    assert fits[0].trials == fits[1].trials
    assert torch.equal(fits[0].head.scores(support.features), fits[1].head.scores(support.features))


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


@pytest.mark.parametrize("held_out", [None, 0])
def test_training_photos_start_from_logits_that_had_not_seen_them(held_out: int | None) -> None:
    support = drawn(3, 8)
    folds = support.folds[0]
    start = CrossFits(support, folds).start("map_lr", held_out)
    fold = folds == 1
    left = ~fold & (folds != held_out if held_out is not None else torch.ones_like(fold))
    embedding = support.features.embedding
    assert isinstance(start, StoredStart)
    head = start.head
    assert support.text_embeddings is not None
    assert head.text_ is not None

    gaussian = fit_two_covariance(embedding[left], support.labels[left], 3, None)
    unseen = head.photo_weight_ * gaussian.scores(gaussian.whiten(embedding[fold])) + embedding[fold] @ head.text_.T

    torch.testing.assert_close(start(fold.nonzero().flatten(), support.features), unseen)
    assert not torch.allclose(head.scores(support.features[fold]), unseen, atol=0.1)


def test_the_start_is_map_lr_s_closed_form_on_all_training_photos() -> None:
    support = drawn(3, 20, noise=3.0)
    start = CrossFits(support, support.folds[0]).start("map_lr", None)
    assert isinstance(start, StoredStart)

    gaussian = fit_two_covariance(support.features.embedding, support.labels, 3, None)

    torch.testing.assert_close(start.head.centre_, gaussian.centre)
    torch.testing.assert_close(start.head.weight_, start.head.photo_weight_ * gaussian.linear)
    (loudness,) = pool_weights([start.logits], support.labels, [1.0])
    assert loudness == pytest.approx(1.0, rel=0.2)  # calibrated as they are


def test_a_start_from_a_bundle_of_before_is_as_loud_as_it_was() -> None:
    support = drawn(3, 8)
    head = MapLR().fit(support)
    state = head.state()

    start = start_from_state(HeadState("map_lr", state.tensors, {**state.settings, "weight": 0.5}))

    torch.testing.assert_close(start.scores(support.features), 0.5 * head.scores(support.features))


def test_without_words_the_start_is_photos_alone() -> None:
    support = replace(drawn(3, 8), text_embeddings=None)

    start = CrossFits(support, support.folds[0]).start("map_lr", None)

    assert isinstance(start, StoredStart)
    assert start.head.text_ is None
    assert (start.logits.argmax(1) == support.labels).double().mean() > 0.6


def test_two_photos_a_class_leave_no_class_empty() -> None:
    support = drawn(4, 2)

    assert fit_ldc(support, QUICK).out_of_fold.isfinite().all()


def test_with_a_pool_the_start_has_learnt_from_it() -> None:
    support = drawn_support(6, 4, noise=1.0, words=False, pool=40)
    assert support.pool is not None
    embedding, labels = support.features.embedding, support.labels

    start = CrossFits(support, support.folds[0]).start("map_lr", None)

    learnt = learn_from_pool(embedding, labels, 6, support.pool, None)
    assert learnt.trust > 0
    assert isinstance(start, StoredStart)
    torch.testing.assert_close(start.head.centre_, learnt.gaussian.centre)
    torch.testing.assert_close(start.head.weight_, start.head.photo_weight_ * learnt.gaussian.linear)
