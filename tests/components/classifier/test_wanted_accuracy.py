"""A wanted share of right answers: what it costs, and when it cannot be had."""

import pytest
import torch

from components.classifier import choose, fit_candidates
from components.classifier.calibration import threshold_for
from tests.support.drawn_rows import drawn_support


def ranked(right: list[bool]) -> tuple[torch.Tensor, torch.Tensor]:
    """Photos of two classes, the surest first."""
    confidence = torch.linspace(0.99, 0.51, len(right))
    labels = torch.tensor([0 if each else 1 for each in right])
    return torch.stack([confidence, 1 - confidence], 1), labels


def test_as_many_are_answered_as_are_right_often_enough() -> None:
    probabilities, labels = ranked([True] * 30 + [False] * 10)
    found = threshold_for(probabilities, labels, 0.9)
    assert found.threshold is not None
    answered = probabilities.max(1).values >= found.threshold
    assert int(answered.sum()) == 32  # 30 of 33 with the one that is counted beforehand
    assert (found.coverage, found.accuracy) == (pytest.approx(0.8), pytest.approx(30 / 32))


def test_a_lucky_beginning_proves_nothing() -> None:
    found = threshold_for(*ranked([True] * 10 + [False] * 30), 0.95)
    assert found.threshold is None
    assert (found.coverage, found.accuracy) == (pytest.approx(0.25), pytest.approx(1.0))


def test_photos_that_are_equally_sure_stand_together() -> None:
    probabilities = torch.tensor([[0.9, 0.1]] * 40)
    assert threshold_for(probabilities, torch.tensor([0] * 30 + [1] * 10), 0.9).threshold is None


def test_the_choice_raises_its_threshold_for_it_and_says_so() -> None:
    support = drawn_support(shots=16, noise=2.5, word_noise=3.0)
    candidates = fit_candidates(support, ["nearest_mean"])
    plain, asked, beyond = (choose(candidates, support, wanted_accuracy=each) for each in (None, 0.9, 0.999))
    assert plain.threshold_why == ""
    assert asked.threshold > plain.threshold  # type: ignore[operator]
    assert asked.threshold_why.startswith("90 % right answers are wanted: 9")
    assert beyond.threshold == plain.threshold
    assert "99.9 % right answers cannot be had on this evidence" in beyond.threshold_why
