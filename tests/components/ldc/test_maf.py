"""MAF against a derivation of its own, in every fusion; and what is ours: levels that are averaged already."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from components.backbone import Projector
from components.ldc import LDC, Shape, shape_for
from components.ldc.projection import AttentionPool
from tests.support.ldc_derivation import Weights, resnet_fused, vit_fused
from tests.support.ldc_published import Case, distance, ours

PARITY = Path(__file__).parent / "parity"
N, GRID, HEADS, D, K = 6, 2, 2, 8, 5
CHANNELS = (4, 6, 8, 12)  # no width is twice another's, so that nothing fits by the published constants


def attention_pool(width: int = CHANNELS[-1]) -> Projector:
    draw = torch.Generator().manual_seed(5)
    tensors = {"positional_embedding": torch.randn(1 + GRID * GRID, width, generator=draw)}
    for name in ("query", "key", "value", "output"):
        outputs = D if name == "output" else width
        tensors[f"{name}_weight"] = torch.randn(outputs, width, generator=draw) / 2
        tensors[f"{name}_bias"] = torch.randn(outputs, generator=draw)
    return Projector("attention_pool", tensors, HEADS, GRID * GRID)


def projection(patches: int) -> Projector:
    tensor = torch.randn(CHANNELS[-1], D, generator=torch.Generator().manual_seed(5))
    return Projector("projection", {"projection": tensor}, 0, patches)


def model_of(projector: Projector, fusion: int, channels: tuple[int, ...] = CHANNELS) -> LDC:
    """An LDC whose norms and statistics are not at their start."""
    torch.manual_seed(7)
    model = LDC(shape_for(channels, D, K, projector, fusion=fusion), projector).double()
    for name, tensor in model.state_dict().items():
        if "norm" in name:
            tensor.copy_(torch.rand_like(tensor) + (0.5 if name.endswith(("weight", "var")) else -0.5))
    return model


def in_numpy(model: LDC, projector: Projector) -> Weights:
    """The model's weights by the parity files' names."""
    state = model.state_dict()
    weights = {f"attention_pool.{name}": tensor for name, tensor in projector.tensors.items()}
    weights |= dict(projector.tensors)
    parts = [f"maf.level_{number}" for number in (1, 2, 3, 4)] + ["maf.fusion"]
    names = ("linear_weight", "linear1_weight", "linear2_weight")
    norms = ("norm_scale", "norm_shift", "norm_running_mean", "norm_running_var")
    for part in parts:
        weights |= {f"{part}.{n}": state[ours(f"{part}.{n}")] for n in names + norms if ours(f"{part}.{n}") in state}
    return {name: tensor.double().numpy() for name, tensor in weights.items()}


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def resnet_levels() -> list[Tensor]:
    sides = (4 * GRID, 2 * GRID, GRID, GRID)
    return [drawn(N, c, side, side, seed=c) for c, side in zip(CHANNELS, sides, strict=True)]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("fusion", [1, 2, 3])
def test_a_resnet_s_fused_feature_is_what_the_formulas_say(fusion: int, training: bool) -> None:
    projector, levels = attention_pool(), resnet_levels()
    model = model_of(projector, fusion).train(training)
    weights = in_numpy(model, projector)

    found = model.maf(levels)

    expected = resnet_fused([level.double().numpy() for level in levels], weights, fusion, HEADS, training)
    assert distance(found, torch.from_numpy(expected)) < 1e-12


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("fusion", [1, 2, 3])
def test_a_vit_s_fused_feature_is_what_the_formulas_say(fusion: int, training: bool) -> None:
    channels = (12, 12, 12, 12)
    maps = [drawn(N, 12, 3, 3, seed=number) for number in range(4)]
    tokens = [drawn(N, 12, seed=10 + number) for number in range(4)]
    projector = projection(9)
    model = model_of(projector, fusion, channels).train(training)
    weights = in_numpy(model, projector)

    found = model.maf(maps, tokens)

    rows = [torch.cat([t[:, None], m.flatten(2).transpose(1, 2)], 1) for t, m in zip(tokens, maps, strict=True)]
    expected = vit_fused([row.double().numpy() for row in rows], weights, fusion, training)
    assert distance(found, torch.from_numpy(expected)) < 1e-12


@pytest.mark.parametrize("name", ["rn_fuse2", "vit_fuse2"])
def test_the_derivation_itself_agrees_with_the_published_numbers(name: str) -> None:
    case = Case.read(PARITY / f"{name}.safetensors")
    stored = case.under("param.") | case.under("buffer.") | case.under("frozen.")
    weights = {key: tensor.double().numpy() for key, tensor in stored.items()}
    levels = [case.tensors[f"input.level_{number}"][:12].double().numpy() for number in (1, 2, 3, 4)]
    for training, prefix in ((False, "eval"), (True, "train")):
        if name == "rn_fuse2":
            found = resnet_fused(levels, weights, 2, case.config["attention_heads"], training)
        else:
            found = vit_fused(levels, weights, 2, training)
        expected = case.tensors[f"{prefix}.fused_feature"]
        assert np.abs(found - expected.numpy()).max() < 1e-5 * float(expected.abs().max())


def test_a_mean_alone_is_pooled_like_a_map_that_holds_it_everywhere() -> None:
    projector = attention_pool()
    wide = {name: tensor.double() for name, tensor in projector.tensors.items()}
    pool = AttentionPool(replace(projector, tensors=wide))
    pooled = drawn(N, CHANNELS[-1], seed=1)

    everywhere = pool(pooled[:, None].expand(-1, GRID * GRID, -1))

    torch.testing.assert_close(pool.vectors(pooled), everywhere)


def test_a_map_averaged_to_fewer_positions_counts_as_the_patches_it_stands_for() -> None:
    channels = (12, 12, 12, 12)
    coarse = [drawn(N, 12, 2, 2, seed=number) for number in range(4)]
    fine = [level.repeat_interleave(2, 2).repeat_interleave(2, 3) for level in coarse]
    tokens = [drawn(N, 12, seed=10 + number) for number in range(4)]
    model = model_of(projection(16), 2, channels).eval()

    torch.testing.assert_close(model.maf(coarse, tokens), model.maf(fine, tokens))


def test_levels_whose_sides_are_no_multiples_are_averaged_all_the_same() -> None:
    model = model_of(attention_pool(), 2).eval()
    levels = [drawn(N, c, 5, 5, seed=c) for c in CHANNELS[:3]] + [drawn(N, CHANNELS[3], GRID, GRID, seed=9)]

    assert model.maf(levels).shape == (N, D)


def test_one_image_in_training_mode_is_normalised_by_the_running_statistics_and_moves_none() -> None:
    shape: Shape = shape_for(CHANNELS, D, K, attention_pool())
    torch.manual_seed(0)
    model = LDC(shape, attention_pool()).double()
    levels = [drawn(8, c, seed=c) for c in CHANNELS]
    model.train()(levels, [], drawn(8, K, seed=3))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    one = [level[:1] for level in levels]

    training = model.train()(one, [], drawn(1, K, seed=3)).alf

    torch.testing.assert_close(training, model.eval()(one, [], drawn(1, K, seed=3)).alf)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
