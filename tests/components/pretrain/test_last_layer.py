import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from components.errors import UserInputError
from components.pretrain import LastLayer
from components.pretrain.last_layer import (
    class_prototypes,
    logit_scale,
    spare_directions,
    text_map,
    use_spare_directions,
)

SIZE, TEXT_WIDTH, WIDTH, CLASSES = 16, 8, 40, 60  # of the embedding, of texts in it, of the trunk's features


def _world(per_class: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Pictures of classes whose texts the trunk sees through a mixing and a spread that is the same for all classes.

    Returns:
        Features, labels, texts, the text projection and the rows of the best classifier of these classes.
    """
    fixed, draw = torch.Generator().manual_seed(0), torch.Generator().manual_seed(seed)
    projection = torch.randn(TEXT_WIDTH, SIZE, generator=fixed)
    texts = F.normalize(torch.randn(CLASSES, TEXT_WIDTH, generator=fixed) @ projection, dim=1)
    means = 3 * texts @ torch.randn(SIZE, WIDTH, generator=fixed) + 5
    mixing = torch.eye(WIDTH) + 0.3 * torch.randn(WIDTH, WIDTH, generator=fixed) / WIDTH**0.5
    labels = torch.arange(CLASSES).repeat_interleave(per_class)
    found = means[labels] + torch.randn(len(labels), WIDTH, generator=draw) @ mixing
    return found, labels, texts, projection, means @ torch.linalg.inv(mixing.T @ mixing).T


def _few_classes(seed: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Pictures of the first half of the classes alone, and their rows; texts, projection and rows are of all."""
    found, labels, texts, projection, rows = _world(100, seed)
    half = labels < CLASSES // 2
    return found[half], labels[half], texts, projection, rows


def test_prototypes_of_classes_without_pictures_lie_where_their_pictures_would() -> None:
    found, labels, _, _, rows = _few_classes()

    prototypes = class_prototypes(rows, found, labels, torch.arange(CLASSES // 2), shrinkage=0.0)

    every, of = _world(100, seed=2)[:2]
    means = torch.stack([every[of == label].mean(dim=0) for label in range(CLASSES)])[CLASSES // 2 :]
    theirs = prototypes[CLASSES // 2 :]
    means, theirs = means - means.mean(dim=0), theirs - theirs.mean(dim=0)
    assert F.cosine_similarity(theirs, means, dim=1).median() > 0.7
    assert 0.7 < theirs.norm() / means.norm() < 1.4


def test_a_class_whose_row_is_not_known_does_not_count_for_the_length() -> None:
    found, labels, _, _, rows = _few_classes()
    known = torch.arange(CLASSES // 2)
    fewer = torch.where(known < 20, known, -1)

    whole, part = (class_prototypes(rows, found, labels, of, shrinkage=0.1) for of in (known, fewer))

    assert 0.8 < part.norm() / whole.norm() < 1.25
    torch.testing.assert_close(part / part.norm(), whole / whole.norm())


def test_pictures_of_classes_that_the_trunk_does_not_know_are_refused() -> None:
    found, labels, _, _, rows = _few_classes()
    known = torch.full((CLASSES // 2,), -1)
    known[3] = 3
    with pytest.raises(UserInputError, match="fewer than two classes"):
        class_prototypes(rows, found, labels, known, shrinkage=0.1)


def _map() -> tuple[Tensor, Tensor]:
    parameters = LastLayer(steps=150, learning_rate=1e-2)
    found, labels, texts, _, rows = _few_classes()
    prototypes = class_prototypes(rows, found, labels, torch.arange(CLASSES // 2), parameters.shrinkage)
    return text_map(prototypes, found, labels, texts, parameters, seed=0), found.mean(dim=0)


def test_classes_without_pictures_are_found_by_their_texts() -> None:
    weight, mean = _map()

    fresh, of, texts = _world(20, seed=2)[:3]
    unseen = of >= CLASSES // 2
    scores = F.normalize((fresh - mean) @ weight.T, dim=1) @ (texts - texts.mean(dim=0)).T
    assert (scores.argmax(dim=1) == of)[unseen].float().mean() > 0.5  # one in sixty by chance


def test_the_same_seed_gives_the_same_map() -> None:
    assert torch.equal(_map()[0], _map()[0])


def test_spare_directions_carry_pictures_and_say_nothing_of_texts() -> None:
    found, projection = _few_classes()[0], _few_classes()[3]
    weight = _map()[0]
    spare = spare_directions(projection)
    assert spare.shape == (SIZE, SIZE - TEXT_WIDTH)
    torch.testing.assert_close(projection @ spare, torch.zeros(TEXT_WIDTH, SIZE - TEXT_WIDTH), atol=1e-5, rtol=0)

    whole = use_spare_directions(weight, found, spare, 2.0)

    torch.testing.assert_close(projection @ whole, projection @ weight, atol=1e-4, rtol=1e-4)
    after = (found - found.mean(dim=0)) @ whole.T
    carried = after @ spare
    texts_part = after.square().sum(dim=1) - carried.square().sum(dim=1)
    torch.testing.assert_close(carried.square().sum(dim=1).mean(), 2 * texts_part.mean(), rtol=0.05, atol=0)
    assert torch.linalg.matrix_rank(carried, rtol=1e-4) > 1
    empty = use_spare_directions(weight, found, spare, 0.0)
    assert (empty.T @ spare).abs().max() < 1e-5 * empty.abs().max()


def test_the_scale_fits_the_pictures() -> None:
    weight, mean = _map()
    found, labels, texts, _, _ = _world(20, seed=3)
    embeddings = F.normalize((found - mean) @ weight.T, dim=1)
    scale = logit_scale(embeddings, labels, texts)

    def loss(value: float) -> float:
        return F.cross_entropy(value * embeddings @ texts.T, labels).item()

    assert 5 <= scale <= 100.01
    assert loss(scale) <= min(loss(5), loss(20), loss(100)) + 1e-5


@pytest.mark.parametrize("dropout", [-0.1, 1.0])
def test_a_share_that_leaves_nothing_to_learn_from_is_refused(dropout: float) -> None:
    with pytest.raises(UserInputError, match="cannot do without"):
        LastLayer(dropout=dropout)
