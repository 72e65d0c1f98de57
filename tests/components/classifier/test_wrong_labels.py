"""Labels that the left-out answers contradict."""

import pytest
import torch

from components.classifier.wrong_labels import doubtful_labels

NAN = float("nan")
LOGITS = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 1.0, 0.0], [NAN, NAN, NAN], [0.0, 0.0, 3.0]])
LABELS = torch.tensor([0, 0, 0, 1, 1])


def test_the_most_contradicted_label_comes_first() -> None:
    found = doubtful_labels(LOGITS, LABELS, 1.0, 10)

    assert [(each.row, each.label, each.taken_for) for each in found] == [(1, 0, 1), (4, 1, 2), (2, 0, 1)]
    assert found[0].margin == pytest.approx((1 - 2.718281828**4) / (2 + 2.718281828**4))


def test_no_more_than_asked_for_and_none_that_agree() -> None:
    assert [each.row for each in doubtful_labels(LOGITS, LABELS, 2.0, 1)] == [1]
    assert doubtful_labels(LOGITS[:1], LABELS[:1], 1.0, 5) == []
