"""Any image tower of open_clip: its levels, and the projector that makes its embedding of the last one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from components.backbone import Encoded, load_backbone
from components.features import level_features
from tests.support.checkpoints import RESNET, VIT, make_checkpoint
from tests.support.towers import learns, projected

TOWERS: dict[str, tuple[dict[str, Any], str]] = {
    "resnet": (RESNET, "attention_pool"),
    "vit": (VIT, "projection"),
    "coca": (
        {**VIT, "attentional_pool": True, "attn_pooler_heads": 2, "attn_pooler_queries": 3},
        "latent_pool",
    ),
    "timm, depthwise": ({"timm_model_name": "test_efficientnet", "timm_proj_bias": True}, "mean_linear"),
    "timm, layer norm": ({"timm_model_name": "test_convnext", "timm_pool": ""}, "mean_linear"),
    "timm, class token": ({"timm_model_name": "test_vit", "timm_pool": "token"}, "token_linear"),
    "timm, map pool": ({"timm_model_name": "test_vit3", "timm_pool": "map", "timm_proj": "linear"}, "latent_pool"),
}
SIDES = {"vit": 32, "coca": 32, "timm, class token": 160, "timm, map pool": 160}


def _backbone(tmp_path: Path, name: str) -> tuple[Any, Tensor]:
    side = SIDES.get(name, 64)
    folder = make_checkpoint(tmp_path / "model", {"image_size": side, **TOWERS[name][0]})
    pixels = torch.randn(3, 3, side, side, generator=torch.Generator().manual_seed(1))
    return load_backbone(str(folder), models=tmp_path, precision="fp32"), pixels


@pytest.mark.parametrize("name", TOWERS)
def test_a_tower_s_projector_makes_its_embedding_of_its_last_level_and_ldc_learns_on_it(
    tmp_path: Path, name: str
) -> None:
    backbone, pixels = _backbone(tmp_path, name)
    encoded = backbone.encode_images(pixels, levels=True)

    assert len(encoded.levels) == 4
    torch.testing.assert_close(encoded.embedding, backbone.encode_images(pixels).embedding)
    assert backbone.projector is not None
    assert backbone.projector.kind == TOWERS[name][1]
    own = backbone._model.visual(pixels)
    own = own[0] if isinstance(own, tuple) else own
    torch.testing.assert_close(projected(backbone.projector, encoded), own, atol=1e-4, rtol=1e-4)
    for mode in ("full", "grid", "pooled"):
        assert learns(backbone.projector, encoded, mode)


def test_levels_of_one_grid_are_averaged_to_seven_by_seven_at_most() -> None:
    maps = tuple(torch.randn(2, 4, 12, 12) for _ in range(4))
    encoded = Encoded(torch.randn(2, 8), maps)

    assert {level.shape[2:] for level in level_features(encoded, "grid").levels} == {(7, 7)}
    small = replace(encoded, levels=(*maps[:3], torch.randn(2, 4, 9, 9)))
    assert {level.shape[2:] for level in level_features(small, "grid").levels} == {(9, 9)}


def test_a_tower_that_ends_in_a_way_of_its_own_has_levels_and_no_projector(tmp_path: Path) -> None:
    vision = {"timm_model_name": "test_efficientnet", "timm_proj": "mlp", "image_size": 64}
    backbone = load_backbone(str(make_checkpoint(tmp_path / "model", vision)), models=tmp_path, precision="fp32")

    assert backbone.projector is None
    assert len(backbone.encode_images(torch.randn(1, 3, 64, 64), levels=True).levels) == 4


def test_bf16_is_not_chosen_for_depthwise_convolutions(tmp_path: Path) -> None:
    name = "timm, depthwise"
    folder = make_checkpoint(tmp_path / "model", {"image_size": 64, **TOWERS[name][0]})
    assert load_backbone(str(folder), models=tmp_path, device="cpu").identity.precision == "fp32"
