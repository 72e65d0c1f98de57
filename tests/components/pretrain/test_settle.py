from pathlib import Path
from typing import Any, cast

import torch
from torch.nn import functional as F

from components.pretrain import PretrainParameters
from components.pretrain.architecture import build
from components.pretrain.image import embed_pictures
from components.pretrain.pictures import Pictures, read_pictures
from components.pretrain.settle import logit_scale, settle, spare_directions, text_metric, use_spare_directions


def _texts(classes: int = 3) -> torch.Tensor:
    return F.normalize(torch.randn(classes, 16, generator=torch.Generator().manual_seed(2)) + 1, dim=1)


def _tower(parameters: PretrainParameters) -> torch.nn.Module:
    torch.manual_seed(0)
    visual: torch.nn.Module = build(parameters.architecture).visual
    return visual.eval()


def _pictures(dataset: Path, tmp_path: Path) -> Pictures:
    return read_pictures(dataset, "train", tmp_path / "arrays")


def test_metric_of_power_zero_changes_nothing_and_others_keep_the_spread() -> None:
    texts = _texts(8)
    torch.testing.assert_close(text_metric(texts, 0.0), torch.eye(16), atol=1e-5, rtol=0)
    metric = text_metric(texts, 0.5)
    centred = texts - texts.mean(dim=0)
    torch.testing.assert_close((centred @ metric).norm(), centred.norm())
    torch.testing.assert_close(metric, metric.T)
    # What the classes differ in most gains on what they differ in least.
    before, after = torch.linalg.svdvals(centred), torch.linalg.svdvals(centred @ metric)
    assert after[0] / after[6] > before[0] / before[6]


def test_settled_tower_says_of_plain_texts_what_it_says_through_the_metric_before(
    parameters: PretrainParameters, dataset: Path, tmp_path: Path
) -> None:
    pictures, texts, visual = _pictures(dataset, tmp_path), _texts(), _tower(parameters)
    trained = embed_pictures(visual, pictures, 64, unit_length=False) @ text_metric(texts, 0.5) @ texts.T
    settle(visual, pictures, torch.arange(24), texts, 0.5, 64)
    settled = embed_pictures(visual, pictures, 64, unit_length=False) @ texts.T
    # The same but for one number a class: the mean picture's.
    torch.testing.assert_close(settled - settled.mean(dim=0), trained - trained.mean(dim=0), atol=1e-4, rtol=1e-3)
    assert settled.mean(dim=0).abs().max() < 1e-4


def test_the_scale_fits_the_pictures(parameters: PretrainParameters, dataset: Path, tmp_path: Path) -> None:
    pictures, texts, visual = _pictures(dataset, tmp_path), _texts(), _tower(parameters)
    settle(visual, pictures, torch.arange(24), texts, 0.5, 64)
    scale = logit_scale(visual, pictures, torch.arange(24), texts, 64)
    cosines = embed_pictures(visual, pictures, 64) @ texts.T

    def loss(value: float) -> float:
        return F.cross_entropy(value * cosines, pictures.labels).item()

    assert 5 <= scale <= 100.01
    assert loss(scale) <= min(loss(5), loss(20), loss(100)) + 1e-5


def test_spare_directions_carry_pictures_and_say_nothing_of_texts(
    parameters: PretrainParameters, dataset: Path, tmp_path: Path
) -> None:
    pictures, visual = _pictures(dataset, tmp_path), _tower(parameters)
    text_projection = torch.randn(8, 16, generator=torch.Generator().manual_seed(3))
    spare = spare_directions(text_projection)
    assert spare.shape == (16, 8)
    torch.testing.assert_close(text_projection @ spare, torch.zeros(8, 8), atol=1e-5, rtol=0)
    last = cast(Any, visual).attnpool.c_proj
    said_before = text_projection @ last.weight.detach()

    use_spare_directions(visual, pictures, torch.arange(24), spare, 2.0, 64)

    tolerance = 1e-6 * last.weight.norm().item()
    torch.testing.assert_close(text_projection @ last.weight.detach(), said_before, atol=tolerance, rtol=0)
    after = embed_pictures(visual, pictures, 64, unit_length=False)
    carried = after @ spare
    texts_part = after.square().sum(dim=1) - carried.square().sum(dim=1)
    torch.testing.assert_close(carried.square().sum(dim=1).mean(), 2 * texts_part.mean(), rtol=0.05, atol=0)
    assert carried.mean(dim=0).norm() < 0.1 * carried.norm(dim=1).mean()
    assert torch.linalg.matrix_rank(carried, rtol=1e-4) > 1


def test_without_a_share_the_spare_directions_are_empty(
    parameters: PretrainParameters, dataset: Path, tmp_path: Path
) -> None:
    pictures, visual = _pictures(dataset, tmp_path), _tower(parameters)
    spare = spare_directions(torch.randn(8, 16, generator=torch.Generator().manual_seed(3)))
    use_spare_directions(visual, pictures, torch.arange(24), spare, 0.0, 64)
    assert (embed_pictures(visual, pictures, 64, unit_length=False) @ spare).abs().max() < 1e-5
