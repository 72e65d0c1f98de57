"""Temperature, calibration error and the threshold."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.classifier import abstention_threshold, expected_calibration_error, fit_temperature, reliability
from components.heads.pooling import log_loss


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
    assert below == pytest.approx(share, abs=1 / len(logits))


def test_no_threshold_without_rows() -> None:
    assert abstention_threshold(torch.zeros(0, 3), 0.05) is None
