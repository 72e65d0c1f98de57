import torch
from torch import nn

from components.pretrain.muon import Muon, orthogonalised


def _matrices(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_singular_values_come_near_one_for_tall_and_wide() -> None:
    for shape in ((2, 12, 50), (2, 50, 12)):
        values = torch.linalg.svdvals(orthogonalised(_matrices(*shape)))
        assert 0.5 < values.min() < values.max() < 1.3


def test_directions_stay_each_with_its_own_matrix() -> None:
    matrices = _matrices(2, 8, 20)
    exact = torch.stack([u @ v for u, _, v in (torch.linalg.svd(matrix, full_matrices=False) for matrix in matrices)])
    cosine = torch.nn.functional.cosine_similarity(orthogonalised(matrices).flatten(1), exact.flatten(1), dim=1)
    assert cosine.min() > 0.97


def test_a_step_is_as_long_as_the_learning_rate_says_whatever_the_gradient() -> None:
    for gradient_length in (1e-3, 1e3):
        weight = nn.Parameter(_matrices(16, 8, 3, 3))
        before = weight.detach().clone()
        weight.grad = gradient_length * _matrices(16, 8, 3, 3)
        Muon([weight], lr=0.1, momentum=0.9, weight_decay=0.0).step()
        moved = (weight.detach() - before).square().mean().sqrt()
        assert 0.015 < moved < 0.025  # a fifth of the learning rate


def test_a_convex_goal_is_reached_and_weights_without_gradient_stay() -> None:
    goal = _matrices(6, 4, 1, 1)
    weight, idle = nn.Parameter(torch.zeros(6, 4, 1, 1)), nn.Parameter(torch.ones(3, 3))
    optimiser = Muon([weight, idle], lr=0.1, momentum=0.9, weight_decay=0.0)
    for step in range(200):
        optimiser.param_groups[0]["lr"] = 0.1 * (1 - step / 200)
        weight.grad = (weight - goal).detach()
        optimiser.step()
    assert (weight - goal).abs().max() < 0.1
    assert torch.equal(idle, torch.ones(3, 3))
