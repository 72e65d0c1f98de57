"""The choice follows the evidence, keeps to zero-shot where nothing beats it, and says why."""

import math

import pytest
import torch

from components.classifier import HEADS, Candidate, choose, fit_candidates
from components.classifier.calibration import fit_temperature, least_temperature
from components.errors import UserInputError
from components.features import Features
from components.heads import Support
from components.heads.nearest_mean import NearestMean
from tests.support.drawn_rows import drawn_support, drawn_task


def said(name: str, support: Support, right: float, loudness: float = 4.0, seed: int = 0) -> Candidate:
    """A candidate whose out-of-fold logits are right in that share of rows."""
    random = torch.Generator().manual_seed(seed)
    n = len(support.clean)
    labels = support.clean.labels
    wrong = (labels + 1) % support.n_classes
    answer = torch.where(torch.arange(n) < round(right * n), labels, wrong)
    logits = loudness * torch.nn.functional.one_hot(answer, support.n_classes).float()
    logits = logits + 0.01 * torch.randn(n, support.n_classes, generator=random)
    head = HEADS[name].head() if name in HEADS else NearestMean()  # it is not asked; it has a rank by prior knowledge
    return Candidate(name, head, logits.repeat(2, 1, 1))


def test_lowest_log_loss_after_temperature_wins_however_loud() -> None:
    support = drawn_support(shots=20)
    loud, quiet = said("loud", support, 0.9, loudness=90.0), said("quiet", support, 0.8, loudness=1.0)
    choice = choose([quiet, loud], support)
    assert choice.name == "loud"
    assert choice.evidence == "out_of_fold"
    assert choice.verdicts["loud"].top1 == pytest.approx(0.9)
    assert choice.temperature == choice.verdicts["loud"].temperature > 10
    assert "loud has the lowest log-loss" in choice.why
    assert "quiet" in choice.why


def test_what_is_clearly_below_zero_shot_is_never_shipped() -> None:
    support = drawn_support(shots=20)
    zero_shot = said("zero_shot", support, 0.9)
    worse = said("worse", support, 0.8)
    # very sure where it is right, torn between two where it is wrong: more mistakes at a lower log-loss
    logits = 10 * worse.out_of_fold[0]
    logits[80:] = torch.nn.functional.one_hot(support.labels[80:], 5) * 39.9
    logits[80:] += torch.nn.functional.one_hot((support.labels[80:] + 1) % 5, 5) * 40.0
    worse = Candidate("worse", worse.head, logits.repeat(2, 1, 1))
    choice = choose([worse, zero_shot], support)
    assert choice.verdicts["worse"].log_loss < choice.verdicts["zero_shot"].log_loss
    assert choice.verdicts["worse"].below_zero_shot
    assert choice.name == "zero_shot"
    assert "left out: worse" in choice.why


def test_a_hair_below_zero_shot_is_noise() -> None:
    support = drawn_support(shots=20)
    assert (
        not choose([said("zero_shot", support, 0.90), said("near", support, 0.89)], support)
        .verdicts["near"]
        .below_zero_shot
    )


def test_one_shot_goes_by_prior_and_says_so() -> None:
    support = drawn_support(shots=1, levels=True)
    choice = choose(fit_candidates(support), support)
    assert (choice.name, choice.evidence, choice.temperature, choice.threshold) == ("map_lr", "prior", 1.0, None)
    assert "prior knowledge" in choice.why
    assert math.isnan(choice.verdicts["gda"].log_loss)


def test_validation_photos_decide_where_the_folds_flatter() -> None:
    support = drawn_support(shots=6, noise=0.2)
    candidates = fit_candidates(support, ["gda", "nearest_mean"])

    def validation(noise: float) -> Support:
        """Further photos of the same classes."""
        embedding, labels, _ = drawn_task(5, 9, 32, noise=noise, word_noise=0.5, seed=0, draw=1)
        return Support.of_images(Features(embedding), labels, 5)

    assert choose(candidates, support, validation=validation(0.2)).evidence == "out_of_fold"
    choice = choose(candidates, support, validation=validation(9.0))
    assert choice.evidence == "validation"
    assert f"{4 * support.n_classes} photos" in choice.why  # min(shots, 4) of each class
    # Of the very head: by folds without a mistake, as so few photos allow; by validation photos, as they ask.
    assert choice.temperature != choose(candidates, support).verdicts[choice.name].temperature


def test_as_many_validation_photos_as_support_photos_calibrate() -> None:
    support = drawn_support(shots=4, noise=1.0)
    candidates = fit_candidates(support, ["gda", "nearest_mean"])
    by_folds = choose(candidates, support)
    embedding, labels, _ = drawn_task(5, 4, 32, noise=1.0, word_noise=0.5, seed=0, draw=1)
    as_many = Support.of_images(Features(embedding), labels, 5)

    choice = choose(candidates, support, validation=as_many)

    assert choice.evidence == "out_of_fold"
    assert choice.verdicts[choice.name].log_loss == by_folds.verdicts[choice.name].log_loss
    logits = choice.head.scores(as_many.features)
    expected = max(fit_temperature(logits, as_many.labels), least_temperature(logits, len(as_many)))
    assert choice.temperature == pytest.approx(expected)
    assert choice.threshold != by_folds.threshold
    fewer = choose(candidates, support, validation=as_many.rows(torch.arange(len(as_many)) % 2 == 0))
    assert (fewer.temperature, fewer.threshold) == (by_folds.temperature, by_folds.threshold)


def test_validation_photos_decide_at_one_shot() -> None:
    support = drawn_support(shots=1)
    choice = choose(
        fit_candidates(support, ["gda", "nearest_mean"]), support, validation=drawn_support(shots=1, seed=1)
    )
    assert choice.evidence == "validation"
    assert choice.threshold is not None


def test_same_evidence_same_choice_whatever_the_order() -> None:
    support = drawn_support(shots=6, noise=3.0, word_noise=3.0)
    candidates = fit_candidates(support, ["zero_shot", "nearest_mean", "linear_probe", "gda", "map_lr"])
    first, second = choose(candidates, support), choose(candidates[::-1], support)
    assert (first.name, first.temperature, first.threshold) == (second.name, second.temperature, second.threshold)


def test_equal_evidence_goes_by_prior() -> None:
    support = drawn_support(shots=6)
    candidates = [said(name, support, 1.0) for name in ("nearest_mean", "a_new_one", "linear_probe")]
    assert choose(candidates, support).name == "linear_probe"


def test_no_candidate() -> None:
    with pytest.raises(UserInputError, match="no head can be fitted"):
        choose([], drawn_support())


def test_calibrated_candidates_carry_their_temperatures() -> None:
    support = drawn_support(shots=6)
    candidates = fit_candidates(support, ["gda", "map_lr"])
    choice = choose(candidates, support)
    assert [each.temperature for each in choice.calibrated(candidates)] == [
        choice.verdicts[name].temperature for name in ("gda", "map_lr")
    ]


def test_of_many_validation_photos_four_a_class_count() -> None:
    support = drawn_support(shots=[1, 1, 1, 1, 9])
    candidates = fit_candidates(support, ["gda"])
    choice = choose(candidates, support, validation=drawn_support(shots=9))
    assert choice.evidence == "validation"
    assert f"on {1 + 1 + 1 + 1 + 4} photos" in choice.why


def test_validation_photos_may_lack_a_class() -> None:
    support = drawn_support(shots=1)
    photos = drawn_support(shots=3, seed=2)
    choice = choose(fit_candidates(support, ["gda"]), support, validation=photos.rows(photos.labels > 0))
    assert "on 4 photos" in choice.why
