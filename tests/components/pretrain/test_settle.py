from pathlib import Path

import torch
from torch.nn import functional as F

from components.pretrain import PretrainParameters
from components.pretrain.architecture import build
from components.pretrain.image import embed_pictures
from components.pretrain.pictures import Pictures, read_pictures
from components.pretrain.settle import settle, text_metric


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
    scale = settle(visual, pictures, torch.arange(24), texts, 0.5, 64)
    cosines = embed_pictures(visual, pictures, 64) @ texts.T

    def loss(value: float) -> float:
        return F.cross_entropy(value * cosines, pictures.labels).item()

    assert 5 <= scale <= 100.01
    assert loss(scale) <= min(loss(5), loss(20), loss(100)) + 1e-5
