from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from components.errors import UserInputError
from components.pretrain import PretrainParameters, Settling
from components.pretrain.architecture import build
from components.pretrain.image import embed_pictures
from components.pretrain.pictures import read_pictures
from components.pretrain.settle import (
    attended,
    last_layer,
    logit_scale,
    settle,
    spare_directions,
    use_spare_directions,
)

SIZE, SHARED, TRAINED = 16, 96, 16  # of the embedding, of what pictures of all classes show, classes with pictures
WIDTH = SHARED + TRAINED


def _texts(classes: int) -> torch.Tensor:
    return F.normalize(torch.randn(classes, SIZE, generator=torch.Generator().manual_seed(2)) + 1, dim=1)


def _layer() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(WIDTH, SIZE)


def _found(texts: torch.Tensor, per_class: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What a tower reads of pictures: their class's text in many noisy units, and a unit of its own for a trained class."""
    see = torch.randn(SIZE, SHARED, generator=torch.Generator().manual_seed(4))
    labels = torch.arange(len(texts)).repeat_interleave(per_class)
    noise = torch.randn(len(labels), WIDTH, generator=torch.Generator().manual_seed(seed))
    own = 12 * F.one_hot(labels, max(len(texts), TRAINED))[:, :TRAINED]
    return torch.cat([texts[labels] @ see + 1.5 * noise[:, :SHARED], own + noise[:, SHARED:]], dim=1) + 3, labels


def _top1(last: nn.Linear, found: torch.Tensor, labels: torch.Tensor, texts: torch.Tensor) -> float:
    with torch.no_grad():
        return float(((last(found) @ texts.T).argmax(dim=1) == labels).float().mean())


def test_what_the_last_layer_reads_gives_the_embedding(
    parameters: PretrainParameters, dataset: Path, tmp_path: Path
) -> None:
    pictures = read_pictures(dataset, "train", tmp_path / "arrays")
    torch.manual_seed(0)
    visual: nn.Module = build(parameters.architecture).visual
    rows = torch.tensor([3, 1, 20])
    last = last_layer(visual)
    found = attended(visual, pictures, rows, 64)
    assert last_layer(visual) is last
    with torch.no_grad():
        torch.testing.assert_close(last(found), embed_pictures(visual, pictures, 64, rows, unit_length=False))


def test_a_settled_layer_finds_trained_classes_and_ones_without_pictures() -> None:
    texts, last = _texts(TRAINED + 8), _layer()
    found, labels = _found(texts, 40, seed=5)
    trained = labels < TRAINED
    settle(last, found[trained], labels[trained], texts, Settling(steps=400, learning_rate=1e-2), seed=0)

    fresh, of = _found(texts, 40, seed=6)
    trained = of < TRAINED
    assert _top1(last, fresh[trained], of[trained], texts[:TRAINED]) > 0.9
    assert _top1(last, fresh[~trained], of[~trained] - TRAINED, texts[TRAINED:]) > 0.5  # an eighth by chance


def test_what_is_dropped_at_random_is_not_relied_on() -> None:
    texts = _texts(TRAINED)
    found, labels = _found(texts, 40, seed=5)
    fresh, of = _found(texts, 40, seed=6)
    fresh[:, SHARED:] = found[:, SHARED:].mean(dim=0)  # without the unit of the class's own
    top1 = []
    for dropout in (0.0, 0.8):
        last = _layer()
        settle(last, found, labels, texts, Settling(steps=400, learning_rate=1e-2, dropout=dropout), seed=0)
        top1.append(_top1(last, fresh, of, texts))
    assert top1[1] > top1[0] + 0.05, top1


def test_the_mean_picture_is_taken_away() -> None:
    texts, last = _texts(8), _layer()
    found, labels = _found(texts, 10, seed=5)
    settle(last, found, labels, texts, Settling(steps=20), seed=0)
    with torch.no_grad():
        embeddings = last(found)
    assert embeddings.mean(dim=0).norm() < 1e-4 * embeddings.norm(dim=1).mean()


def test_settling_twice_from_the_same_start_gives_the_same_layer() -> None:
    texts = _texts(8)
    found, labels = _found(texts, 10, seed=5)
    layers = [_layer(), _layer()]
    for last in layers:
        settle(last, found, labels, texts, Settling(steps=20), seed=0)
    assert torch.equal(layers[0].weight, layers[1].weight)


def test_the_scale_fits_the_pictures() -> None:
    texts, last = _texts(8), _layer()
    found, labels = _found(texts, 20, seed=5)
    settle(last, found, labels, texts, Settling(steps=100, learning_rate=1e-2), seed=0)
    with torch.no_grad():
        embeddings = F.normalize(last(found), dim=1)
    scale = logit_scale(embeddings, labels, texts)

    def loss(value: float) -> float:
        return F.cross_entropy(value * embeddings @ texts.T, labels).item()

    assert 5 <= scale <= 100.01
    assert loss(scale) <= min(loss(5), loss(20), loss(100)) + 1e-5


def test_spare_directions_carry_pictures_and_say_nothing_of_texts() -> None:
    last, found = _layer(), _found(_texts(8), 10, seed=5)[0]
    text_projection = torch.randn(8, SIZE, generator=torch.Generator().manual_seed(3))
    spare = spare_directions(text_projection)
    assert spare.shape == (SIZE, 8)
    torch.testing.assert_close(text_projection @ spare, torch.zeros(8, 8), atol=1e-5, rtol=0)
    said_before = text_projection @ last.weight.detach()

    use_spare_directions(last, found, spare, 2.0)

    tolerance = 1e-6 * last.weight.norm().item()
    torch.testing.assert_close(text_projection @ last.weight.detach(), said_before, atol=tolerance, rtol=0)
    with torch.no_grad():
        after = last(found)
    carried = after @ spare
    texts_part = after.square().sum(dim=1) - carried.square().sum(dim=1)
    torch.testing.assert_close(carried.square().sum(dim=1).mean(), 2 * texts_part.mean(), rtol=0.05, atol=0)
    assert carried.mean(dim=0).norm() < 0.1 * carried.norm(dim=1).mean()
    assert torch.linalg.matrix_rank(carried, rtol=1e-4) > 1


def test_without_a_share_the_spare_directions_are_empty() -> None:
    last, found = _layer(), _found(_texts(8), 10, seed=5)[0]
    spare = spare_directions(torch.randn(8, SIZE, generator=torch.Generator().manual_seed(3)))
    use_spare_directions(last, found, spare, 0.0)
    with torch.no_grad():
        assert (last(found) @ spare).abs().max() < 1e-5


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_a_share_that_leaves_nothing_to_learn_from_is_refused(dropout: float) -> None:
    with pytest.raises(UserInputError, match="cannot do without"):
        Settling(dropout=dropout)
