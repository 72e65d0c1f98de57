"""Sets of likely classes: the promise holds on photos that were not looked at, and an answer is in its own set."""

import pytest
import torch

from components.bank import likely_classes, likely_places, likely_threshold
from components.liteembed import KnownClasses


def known(n: int, seed: int, held_out: bool = True) -> KnownClasses:
    """Photos of eight classes whose calibrated logits are right more often than not."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % 8
    logits = 1.5 * torch.randn(n, 8, generator=random) + 2.0 * torch.nn.functional.one_hot(labels, 8)
    photos = torch.nn.functional.normalize(torch.randn(n, 4, generator=random), dim=1)
    rows = torch.full((n,), held_out)
    return KnownClasses(tuple("abcdefgh"), photos, labels, logits, rows, logit_scale=100.0)


def covered(n: int, seed: int, promised: float) -> float:
    threshold = likely_threshold(known(n, seed), promised)
    new = known(4000, seed + 10_000)
    probabilities = torch.softmax(new.logits, 1)
    likely = likely_classes(probabilities, torch.ones(4000, dtype=torch.bool), threshold)
    return float(likely[torch.arange(4000), new.labels].double().mean())


@pytest.mark.parametrize(("n", "promised"), [(24, 0.9), (64, 0.9), (400, 0.8)])
def test_new_photos_are_covered_as_promised(n: int, promised: float) -> None:
    mean = sum(covered(n, seed, promised) for seed in range(60)) / 60
    assert promised - 0.015 < mean < promised + 1 / (n + 1) + 0.015


def test_with_too_few_photos_every_class_is_likely() -> None:
    assert likely_threshold(known(8, 0)) == 0.0
    assert likely_threshold(known(16, 0)) > 0.0  # type: ignore[operator]


def test_without_held_out_photos_the_probabilities_are_taken_at_their_word() -> None:
    threshold = likely_threshold(known(16, 0, held_out=False))
    assert threshold is None
    probabilities = torch.tensor([[0.5, 0.2, 0.25, 0.05], [0.95, 0.02, 0.02, 0.01]])
    likely = likely_classes(probabilities, torch.zeros(2, dtype=torch.bool), threshold)
    assert likely.tolist() == [[True, True, True, False], [True, False, False, False]]


def test_an_answer_is_likely_and_an_unknown_photo_may_have_no_class() -> None:
    probabilities = torch.tensor([[0.4, 0.35, 0.25], [0.4, 0.35, 0.25], [0.8, 0.1, 0.1]])
    likely = likely_classes(probabilities, torch.tensor([False, True, False]), 0.7)
    assert likely.tolist() == [[True, False, False], [False, False, False], [True, False, False]]
    assert likely_places(probabilities, likely) == [[0], [], [0]]
    assert likely_places(probabilities, probabilities > 0.3) == [[0, 1], [0, 1], [0]]
