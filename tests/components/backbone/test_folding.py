"""Batch norms folded into convolutions: the same features with less work, keyed as features of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from components.backbone import load_backbone
from components.backbone.folding import fold_norms
from tests.support.checkpoints import VIT, make_checkpoint


class Tower(nn.Module):
    """A convolution and a norm, in the order listed or with something between them that the listing does not tell."""

    def __init__(self, between: nn.Module) -> None:
        super().__init__()
        self._between = [between]  # not among the children
        self.conv = nn.Conv2d(3, 8, 3, padding=1)
        self.norm = nn.BatchNorm2d(8)
        random = torch.Generator().manual_seed(0)
        for tensor in (self.norm.weight, self.norm.bias, self.norm.running_mean, self.norm.running_var):
            assert tensor is not None
            tensor.data = torch.rand(8, generator=random) + 0.5

    def forward(self, pixels: Tensor) -> Tensor:
        return self.norm(self._between[0](self.conv(pixels))).relu().mean((2, 3))  # type: ignore[no-any-return]


def test_a_folded_tower_finds_the_same_with_one_layer_less() -> None:
    tower, pixels = Tower(nn.Identity()).eval(), torch.randn(4, 3, 16, 16)

    folded = fold_norms(tower, 16)

    assert folded is not tower
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, nn.BatchNorm2d) for module in tower.modules())
    torch.testing.assert_close(folded(pixels), tower(pixels), atol=1e-5, rtol=1e-5)


def test_a_tower_that_lists_its_layers_in_another_order_than_it_runs_them_stays_as_it_is() -> None:
    tower = Tower(nn.ReLU()).eval()

    assert fold_norms(tower, 16) is tower


@pytest.mark.parametrize(
    ("vision", "folded"), [({"timm_model_name": "test_efficientnet", "image_size": 64}, True), (VIT, False)]
)
def test_folding_is_part_of_what_features_are_keyed_by_and_not_of_the_weights(
    tmp_path: Path, vision: dict[str, object], folded: bool
) -> None:
    backbone = load_backbone(str(make_checkpoint(tmp_path / "model", vision)), models=tmp_path, precision="fp32")

    identity = backbone.identity
    assert identity.folded is folded
    other = replace(identity, folded=not folded)
    assert other.weights == identity.weights
    assert other.digest != identity.digest
