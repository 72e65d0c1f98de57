"""Temperature, calibration error and the threshold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.classifier import (
    abstention_threshold,
    choose,
    expected_calibration_error,
    fit_candidates,
    fit_temperature,
    least_temperature,
    reliability,
    threshold_between,
)
from components.heads.pooling import log_loss
from tests.support.drawn_rows import drawn_support


def drawn_logits(seed: int, n: int = 300, n_classes: int = 4, scale: float = 3.0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, n_classes, (n,), generator=random)
    logits = torch.randn(n, n_classes, generator=random) + 1.5 * torch.nn.functional.one_hot(labels, n_classes)
    return scale * logits, labels


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.floats(0.1, 20.0))
def test_temperature_never_harms_and_undoes_any_scale(seed: int, scale: float) -> None:
    logits, labels = drawn_logits(seed)
    temperature = fit_temperature(logits, labels)
    assert log_loss(logits / temperature, labels) <= log_loss(logits, labels) + 1e-9
    assert fit_temperature(logits * scale, labels) == pytest.approx(scale * temperature, rel=0.05)


def test_temperature_without_rows_is_one() -> None:
    assert fit_temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)) == 1.0


def test_calibration_lowers_the_calibration_error() -> None:
    logits, labels = drawn_logits(0, n=3000, scale=8.0)
    temperature = fit_temperature(logits, labels)
    before = expected_calibration_error(torch.softmax(logits, 1), labels)
    after = expected_calibration_error(torch.softmax(logits / temperature, 1), labels)
    assert before > 0.1
    assert after < 0.04


def test_calibration_error_by_hand() -> None:
    probabilities = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    labels = torch.tensor([0, 0, 0, 1, 1, 0])
    # 0.9 against 3 of 4 right; 0.6 against 1 of 2 right
    assert expected_calibration_error(probabilities, labels) == pytest.approx((4 * 0.15 + 2 * 0.1) / 6, abs=1e-6)
    assert expected_calibration_error(probabilities[:0], labels[:0]) == 0.0


def test_a_sure_answer_falls_into_the_last_bin() -> None:
    bins = reliability(torch.tensor([[1.0, 0.0]]), torch.tensor([0]))
    assert bins.count == [0] * 14 + [1]
    assert bins.accuracy[-1] == 1.0


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 999), st.floats(0.01, 0.4))
def test_threshold_leaves_the_share_below_it(seed: int, share: float) -> None:
    logits, _ = drawn_logits(seed)
    probabilities = torch.softmax(logits, 1)
    threshold = abstention_threshold(probabilities, share)
    assert threshold is not None
    below = np.mean(probabilities.double().max(1).values.numpy() < threshold)
    # At most the share of n + 1; rows that are as sure as the next one, but for a hair, stay above with it.
    assert share - 4 / len(logits) <= below <= share + 1 / len(logits)


def test_no_threshold_without_rows() -> None:
    assert abstention_threshold(torch.zeros(0, 3), 0.05) is None


def easy_logits(n: int, n_classes: int = 2, gap: float = 40.0) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.arange(n) % n_classes
    random = torch.Generator().manual_seed(n)
    return gap * torch.nn.functional.one_hot(labels, n_classes) + torch.randn(n, n_classes, generator=random), labels


@pytest.mark.parametrize("n", [2, 10, 36, 1000])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_photos_without_a_mistake_prove_no_more_than_their_number_can(n: int, n_classes: int) -> None:
    logits, _ = easy_logits(n, n_classes)
    proved = (n + 0.5) / (n + 1)
    for scale in (1e-3, 1.0, 1e3):  # however loud the head is
        temperature = least_temperature(scale * logits, n)
        confidence = torch.softmax(scale * logits.double() / temperature, 1).max(1).values
        assert confidence.mean() <= proved + 1e-6
        assert confidence.mean() == pytest.approx(proved, abs=0.06)


def test_a_hard_photo_among_easy_ones_proves_nothing_more() -> None:
    logits, _ = easy_logits(20)
    logits[3] = 0.0
    others = torch.softmax(logits.double() / least_temperature(logits, 20), 1).max(1).values.sort().values[1:]
    assert others.mean() <= 20.5 / 21 + 1e-6


def test_photos_that_come_twice_prove_no_more() -> None:
    logits, _ = easy_logits(10)
    assert least_temperature(logits.repeat(2, 1), 10) == pytest.approx(least_temperature(logits, 10), rel=0.1)


def test_where_photos_are_hard_the_log_loss_alone_decides() -> None:
    logits, labels = drawn_logits(0)
    assert least_temperature(logits, len(labels)) < fit_temperature(logits, labels)


def test_nothing_to_bound_without_rows_or_with_one_class() -> None:
    assert least_temperature(torch.zeros(0, 3), 0) == 0.0
    assert least_temperature(torch.zeros(5, 1), 5) == 0.0
    assert least_temperature(torch.zeros(5, 3), 5) == 0.0


def test_an_easy_set_of_ten_photos_is_answered_with_less_than_all_certainty() -> None:
    support = drawn_support(2, shots=5, noise=0.02)
    choice = choose(fit_candidates(support, ["gda", "nearest_mean"]), support)
    assert choice.threshold is not None
    assert choice.threshold < 0.99
    answers = torch.softmax(choice.head.scores(support.features) / choice.temperature, 1).max(1).values
    assert answers.max() < 0.995  # not "100 %"
    assert answers.min() > choice.threshold


def test_a_single_class_is_always_sure_and_says_nothing_of_a_threshold() -> None:
    assert abstention_threshold(torch.ones(9, 1), 0.05) is None


def test_a_threshold_stands_on_no_photo() -> None:
    alike = torch.full((30, 2), 0.5) + torch.tensor([0.4, -0.4])
    threshold = abstention_threshold(alike, 0.05)
    assert threshold is not None
    assert 0.8 < threshold < 0.85  # half of their odds of 9
    confidence = torch.tensor([0.6, 0.8, 0.9, 0.95])
    assert threshold_between(confidence, 1) == pytest.approx(0.7, abs=0.02)
    assert 0.59 < threshold_between(confidence, 0) < 0.6
    assert threshold_between(confidence, 4) < 0.95  # one at least is answered


def test_few_photos_leave_none_below_so_that_the_promised_share_of_new_ones_is_answered() -> None:
    confidence = torch.linspace(0.6, 0.9, 10)
    threshold = abstention_threshold(torch.stack([confidence, 1 - confidence], 1), 0.05)
    assert threshold is not None
    assert threshold < 0.6
