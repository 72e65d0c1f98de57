"""A pool of photos without a label: what it brings, and that it cannot drag classes away."""

from dataclasses import replace

import pytest
import torch

from components.classifier import fit_head, head_from_state, usable_heads
from components.features.carriers import Features
from components.heads import Support
from components.heads.anchored import learn_from_pool
from components.heads.gaussian import fit_two_covariance
from components.heads.map_lr_pool import MapLRPool
from tests.support.drawn_rows import drawn_support, drawn_task


def accuracy(name: str, support: Support, seed: int) -> float:
    embedding, labels, _ = drawn_task(support.n_classes, 40, 32, noise=1.0, word_noise=0.5, seed=seed, draw=1)
    scores = fit_head(name, support).scores(Features(embedding))
    return float((scores.argmax(1) == labels).double().mean())


@pytest.mark.parametrize(("shots", "words", "at_least"), [(1, False, 0.02), (1, True, 0.0), (4, False, 0.002)])
def test_a_pool_helps_where_photos_are_few(shots: int, words: bool, at_least: float) -> None:
    gains = []
    for seed in range(4):
        support = drawn_support(8, shots, noise=1.0, words=words, word_noise=2.0, pool=40, seed=seed)
        gains.append(accuracy("map_lr_pool", support, seed) - accuracy("map_lr", support, seed))

    assert sum(gains) / len(gains) > at_least
    assert min(gains) > -0.02


def test_a_pool_of_one_class_is_not_trusted() -> None:
    support = drawn_support(12, 2, noise=1.0, words=False, pool=40)
    assert support.pool is not None
    one = replace(support, pool=support.pool[:40])

    head = fit_head("map_lr_pool", one)

    assert isinstance(head, MapLRPool)
    assert head.trust_ == 0.0
    torch.testing.assert_close(
        head.scores(support.features), fit_head("map_lr", support).scores(support.features), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize(("n_classes", "held"), [(3, 1), (4, 2), (6, 2), (6, 4), (8, 4)])
def test_a_pool_that_lacks_some_of_few_classes_is_not_trusted(n_classes: int, held: int) -> None:
    support = drawn_support(n_classes, 4, noise=1.0, words=False, pool=40)
    assert support.pool is not None
    embedding, labels = support.features.embedding, support.labels

    whole = learn_from_pool(embedding, labels, n_classes, support.pool, None)
    lacking = learn_from_pool(embedding, labels, n_classes, support.pool[: 40 * held], None)

    assert whole.trust > 0
    assert lacking.trust == 0.0


def test_without_trust_the_gaussian_is_the_one_without_a_pool() -> None:
    support = drawn_support(6, [1, 3, 2, 5, 1, 2], words=False)
    embedding, labels = support.features.embedding, support.labels

    learnt = learn_from_pool(embedding, labels, 6, torch.empty(0, 32), None)

    alone = fit_two_covariance(embedding, labels, 6, None)
    assert learnt.trust == 0.0
    # The rotation of equal axes is free, so what is said is compared, not how.
    torch.testing.assert_close(
        learnt.gaussian.scores(learnt.gaussian.whiten(embedding)),
        alone.scores(alone.whiten(embedding)),
        atol=1e-3,
        rtol=1e-3,
    )


def test_the_order_of_the_pool_says_nothing() -> None:
    support = drawn_support(5, 3, words=False, pool=30)
    assert support.pool is not None
    turned = replace(support, pool=support.pool.flip(0))

    for mine, other in zip(
        fit_head("map_lr_pool", support).scores(support.features),
        fit_head("map_lr_pool", turned).scores(support.features),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, atol=1e-4, rtol=1e-4)


def test_it_says_how_far_the_pool_was_trusted_and_keeps_it() -> None:
    head = fit_head("map_lr_pool", drawn_support(5, 3, pool=30))
    assert isinstance(head, MapLRPool)

    again = head_from_state(head.state())

    assert isinstance(again, MapLRPool)
    assert 0 < head.trust_ == again.trust_ <= 1


def test_it_is_no_candidate_without_a_pool() -> None:
    support = drawn_support(5, 3)

    assert usable_heads(support, ["map_lr", "map_lr_pool"]) == ["map_lr"]
    assert usable_heads(replace(support, pool=torch.empty(0, 32)), ["map_lr_pool"]) == []
    with pytest.raises(ValueError, match=r"support.pool is \(3, 31\)"):
        replace(support, pool=torch.empty(3, 31))
