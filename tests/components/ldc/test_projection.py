"""The projector that a loaded backbone hands out is the last step of its own image tower."""

from pathlib import Path

import torch
from torch.nn.functional import layer_norm, normalize

from components.backbone import load_backbone
from components.ldc.projection import projection_module
from tests.support.checkpoints import RESNET, VIT, make_checkpoint


def test_a_resnet_s_projector_makes_the_embedding_of_the_last_level(tmp_path: Path) -> None:
    backbone = load_backbone(str(make_checkpoint(tmp_path / "model", RESNET)), models=tmp_path, precision="fp32")
    encoded = backbone.encode_images(torch.randn(3, 3, 64, 64), levels=True)

    assert backbone.projector is not None
    assert (backbone.projector.kind, backbone.projector.patches) == ("attention_pool", 4)
    found = projection_module(backbone.projector)(encoded.levels[-1].flatten(2).transpose(1, 2))
    torch.testing.assert_close(normalize(found, dim=1), encoded.embedding)


def test_a_vit_s_projector_makes_the_embedding_of_the_normed_class_token(tmp_path: Path) -> None:
    backbone = load_backbone(str(make_checkpoint(tmp_path / "model", VIT)), models=tmp_path, precision="fp32")
    encoded = backbone.encode_images(torch.randn(3, 3, 32, 32), levels=True)
    norm = backbone._model.visual.ln_post

    assert backbone.projector is not None
    assert (backbone.projector.kind, backbone.projector.patches) == ("projection", 16)
    token = layer_norm(encoded.class_tokens[-1], (32,), norm.weight, norm.bias, norm.eps)
    found = projection_module(backbone.projector)(token)
    torch.testing.assert_close(normalize(found, dim=1), encoded.embedding)
