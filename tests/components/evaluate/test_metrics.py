"""Figures by hand and against scikit-learn."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from components.evaluate import confused_pairs, confusion, coverage_curve, figures


def drawn(seed: int, n: int = 60, n_classes: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % n_classes
    logits = 2 * torch.randn(n, n_classes, generator=random) + 2 * torch.nn.functional.one_hot(labels, n_classes)
    return torch.softmax(logits, 1), labels


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 999))
def test_figures_are_scikit_learns(seed: int) -> None:
    from sklearn.metrics import balanced_accuracy_score, log_loss, top_k_accuracy_score

    probabilities, labels = drawn(seed)
    found = figures(probabilities, labels)
    p, y = probabilities.double().numpy(), labels.numpy()
    p = p / p.sum(1, keepdims=True)
    assert found.top1 == pytest.approx((p.argmax(1) == y).mean())
    assert found.top5 == pytest.approx(top_k_accuracy_score(y, p, k=5))
    assert found.balanced == pytest.approx(balanced_accuracy_score(y, p.argmax(1)))
    assert found.nll == pytest.approx(log_loss(y, p), rel=1e-5)


def test_classes_without_photos_do_not_count_in_balanced() -> None:
    probabilities = torch.eye(4)[[0, 0, 1]]
    assert figures(probabilities, torch.tensor([0, 0, 1])).balanced == 1.0


def test_two_classes_have_no_five() -> None:
    assert figures(torch.tensor([[0.2, 0.8]]), torch.tensor([0])).top5 == 1.0


def test_impossible_answer_has_a_finite_loss() -> None:
    assert figures(torch.tensor([[1.0, 0.0]]), torch.tensor([1])).nll == pytest.approx(27.63, abs=0.01)


def test_confusion_and_pairs() -> None:
    before = confusion(torch.eye(3)[[1, 1, 0, 1, 2]], torch.tensor([0, 0, 0, 1, 2]))
    after = confusion(torch.eye(3)[[1, 0, 0, 1, 1]], torch.tensor([0, 0, 0, 1, 2]))
    torch.testing.assert_close(before[0], torch.tensor([1 / 3, 2 / 3, 0.0], dtype=torch.float64))
    pairs = confused_pairs(before, after)
    assert [(pair.label, pair.taken_for) for pair in pairs] == [(2, 1), (0, 1)]
    assert (pairs[1].before, pairs[1].after) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert len(confused_pairs(before, after, most=1)) == 1


def test_coverage_curve() -> None:
    probabilities = torch.tensor([[0.99, 0.01], [0.8, 0.2], [0.6, 0.4], [0.55, 0.45]])
    curve = coverage_curve(probabilities, torch.tensor([0, 0, 1, 0]))
    assert curve == [(0.25, 1.0), (0.5, 1.0), (0.75, pytest.approx(2 / 3)), (1.0, 0.75)]
