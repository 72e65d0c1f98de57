import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from components.liteembed import seen_unseen

KNOWN = torch.tensor([[3.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
LABELS = torch.tensor([0, 0, 1])


def test_one_offset_by_hand() -> None:
    # photos of known classes: right until the offset passes 2, 1 and (class 1) 0.5; new ones: right once above -1 and 1
    on_known = torch.tensor([[1.0], [2.0], [0.5]])
    new_known, on_new = torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([[2.0], [0.0]])

    curve = seen_unseen((KNOWN, on_known, LABELS), (new_known, on_new, torch.tensor([0, 0])), 2, 1)

    assert curve.base_before == 1.0
    assert curve.at_zero == (1.0, 0.5)
    assert curve.harmonic_at_zero == pytest.approx(2 / 3)
    assert curve.offsets.tolist() == [-2.0, -0.25, 0.75, 1.5, 3.0]
    assert curve.base.tolist() == [1.0, 1.0, 0.5, 0.25, 0.0]
    assert curve.new.tolist() == [0.0, 0.5, 0.5, 1.0, 1.0]
    assert curve.best_offset == -0.25
    # new accuracy goes 0, 1/2, 1/2, 1, 1 while base goes 1, 1, 1/2, 1/4, 0
    assert curve.area == pytest.approx(0.5 * 1.0 + 0.5 * (0.5 + 0.25) / 2)


def test_classes_count_alike_however_many_photos_they_have() -> None:
    on_known = torch.tensor([[0.0], [0.0], [5.0]])
    new = (torch.zeros(1, 2), torch.ones(1, 1), torch.tensor([0]))

    curve = seen_unseen((KNOWN, on_known, LABELS), new, 2, 1)

    assert curve.at_zero[0] == 0.5


def test_a_new_photo_given_to_another_new_class_is_wrong_at_any_offset() -> None:
    new = (torch.zeros(1, 2), torch.tensor([[2.0, 1.0]]), torch.tensor([1]))

    curve = seen_unseen((KNOWN, torch.zeros(3, 2), LABELS), new, 2, 2)

    assert curve.new.max() == 0.0
    assert curve.area == 0.0


@given(seed=st.integers(0, 2**16), shift=st.floats(-3, 3))
def test_the_curve_says_what_an_offset_does(seed: int, shift: float) -> None:
    random = torch.Generator().manual_seed(seed)
    known = (torch.randn(20, 3, generator=random), torch.randn(20, 2, generator=random), torch.arange(20) % 3)
    new = (torch.randn(12, 3, generator=random), torch.randn(12, 2, generator=random), torch.arange(12) % 2)

    curve = seen_unseen(known, new, 3, 2)
    there = seen_unseen((known[0], known[1] + shift, known[2]), (new[0], new[1] + shift, new[2]), 3, 2)

    place = int(torch.searchsorted(curve.offsets, shift))
    around = {round(float(value), 9) for value in curve.base[max(place - 1, 0) : place + 1]}
    assert round(there.at_zero[0], 9) in around
    assert there.area == pytest.approx(curve.area)
    assert (curve.base.diff() <= 1e-12).all()
    assert (curve.new.diff() >= -1e-12).all()
    assert curve.harmonic.max() >= there.harmonic_at_zero - 1e-9
