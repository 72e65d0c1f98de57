import torch

from components.artefacts import Pair
from components.ldc import Outputs, deconfused, fit_ldc, mean_residual
from tests.support.drawn_levels import QUICK, drawn


def outputs(before: list[list[float]], after: list[list[float]]) -> Outputs:
    clip, icd = torch.tensor(before), torch.tensor(after)
    return Outputs(clip, clip, clip, icd, icd, clip[:, :1])


LABELS = torch.tensor([0, 0, 1, 1])
BEFORE = [[1.0, 2, 0], [1, 2, 0], [0, 1, 2], [0, 3, 2]]  # 0 taken for 1 twice of two, 1 for 2 once of two
AFTER = [[1.0, 0.5, 0], [3, 2, 0], [0, 1, 2], [0, 3, 5]]  # 0 and 1 parted; 1 for 2 twice


def test_pairs_parted_and_left_worst_first() -> None:
    said = outputs(BEFORE, AFTER)
    pairs = deconfused(said, said.icd, LABELS)

    assert pairs == [Pair(0, 1, 1.0, 0.0, -1.75), Pair(1, 2, 0.5, 1.0, 1.5)]
    assert deconfused(said, said.icd, LABELS, most=1) == pairs[:1]


def test_after_is_what_is_answered_and_not_what_the_residual_alone_says() -> None:
    said = outputs(BEFORE, AFTER)

    assert deconfused(said, said.clip, LABELS) == [Pair(0, 1, 1.0, 1.0, -1.75), Pair(1, 2, 0.5, 0.5, 1.5)]


def test_the_mean_residual_is_measured_against_the_right_class() -> None:
    moved = mean_residual(outputs(BEFORE, AFTER), LABELS)

    assert moved.diagonal().tolist() == [0, 0, 0]
    assert moved[0].tolist() == [0, -1.75, -1.0]
    assert moved[2].tolist() == [0, 0, 0]  # no photo of it


def test_a_fit_tells_its_pairs_out_of_fold() -> None:
    assert fit_ldc(drawn(4, 6, noise=2.0), QUICK).deconfused
    assert fit_ldc(drawn(4, 1), QUICK).deconfused == []
