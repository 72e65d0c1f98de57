"""How many weights LDC learns, as published and compact."""

from dataclasses import replace

import pytest
import torch

from components.backbone import Projector
from components.ldc import LDC, Form, shape_for


def attention_pool(width: int, d: int, heads: int, side: int) -> Projector:
    tensors = {"positional_embedding": torch.zeros(1 + side * side, width)}
    for name in ("query", "key", "value", "output"):
        outputs = d if name == "output" else width
        tensors |= {f"{name}_weight": torch.zeros(outputs, width), f"{name}_bias": torch.zeros(outputs)}
    return Projector("attention_pool", tensors, heads, side * side)


BACKBONES = {
    "RN50": ((256, 512, 1024, 2048), 1024, attention_pool(2048, 1024, 32, 7)),
    "ViT-B-16": ((768,) * 4, 512, Projector("projection", {"projection": torch.zeros(768, 512)}, 0, 196)),
    "embedded": ((96, 192, 384, 768), 512, attention_pool(768, 512, 24, 3)),
}


def learnt(name: str, form: Form, fusion: int = 2) -> int:
    channels, d, projector = BACKBONES[name]
    model = LDC(shape_for(channels, d, 100, projector, form=form, fusion=fusion), projector)
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("fusion", [1, 2, 3])
@pytest.mark.parametrize("name", ["ViT-B-16", "embedded"])
def test_the_compact_form_of_a_512_wide_backbone_and_100_classes_learns_under_300_000_weights(
    name: str, fusion: int
) -> None:
    assert learnt(name, "compact", fusion) < 300_000


@pytest.mark.parametrize(("name", "millions"), [("RN50", 14.5), ("ViT-B-16", 5.04), ("embedded", 2.84)])
def test_the_published_form_has_the_published_size(name: str, millions: float) -> None:
    assert learnt(name, "published") == pytest.approx(millions * 1e6, rel=0.01)


def test_drawn_weights_are_the_same_in_every_model_and_are_not_stored() -> None:
    channels, d, projector = BACKBONES["embedded"]
    torch.manual_seed(1)
    first = LDC(shape_for(channels, d, 5, projector, form="compact"), projector)
    torch.manual_seed(2)
    second = LDC(shape_for(channels, d, 5, projector, form="compact"), projector)

    assert torch.equal(first.maf.levels[0].linear.drawn, second.maf.levels[0].linear.drawn)
    assert not any("drawn" in name for name in first.state_dict())


@pytest.mark.parametrize("training", [False, True])
def test_a_changed_layer_is_the_same_in_both_modes(training: bool) -> None:
    channels, d, projector = BACKBONES["embedded"]
    layer = LDC(shape_for(channels, d, 5, projector, form="compact"), projector).maf.levels[0].linear
    torch.nn.init.normal_(layer.up.weight)
    layer.scale.uniform_(0.5, 2)
    rows = torch.randn(7, 96)

    torch.testing.assert_close(layer.train(training)(rows), layer.train(not training)(rows), atol=1e-4, rtol=1e-4)


def test_levels_without_a_rank_of_their_own_have_that_of_the_rest() -> None:
    channels, d, projector = BACKBONES["embedded"]
    shape = replace(shape_for(channels, d, 5, projector, form="compact"), rank=1)

    own, same = (LDC(each, projector).maf.levels[0].linear for each in (shape, replace(shape, level_rank=None)))

    assert len(own.down.weight) == shape.level_rank
    assert len(same.down.weight) == 1
