from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from components.liteembed.prototypes import Whitening, best_shift, rehearse


def test_a_prototype_is_the_mean_of_its_photos_where_scatter_is_round(drawn: Callable[..., Any]) -> None:
    task = drawn(words=False)
    identity = replace(task.known.gaussian, precision=torch.eye(32, dtype=torch.float64))
    whitening = Whitening.of(identity, task.known.embeddings)

    prototypes = whitening.prototypes(task.new.embeddings, task.new.labels, 3)
    photos = normalize(task.new.embeddings.double() - identity.centre, dim=1)

    assert torch.allclose(prototypes[1], normalize(photos[task.new.labels == 1].mean(0), dim=0))
    weights, offsets = whitening.rows(prototypes)
    likeness = task.known.embeddings.double() @ weights.T + offsets
    assert float(likeness.abs().max()) <= 1.5
    assert torch.allclose(
        likeness, (task.known.embeddings.double() - identity.centre) @ prototypes.T / whitening.length
    )


def test_no_photo_is_judged_by_a_prototype_that_it_is_part_of(drawn: Callable[..., Any]) -> None:
    known = drawn(words=False, noise=50.0, known_shots=8).known  # photos of a class have nothing in common

    rehearsal = rehearse(known.embeddings, known.labels, known.n_classes, None, 4)

    right = (rehearsal.likeness.argmax(1) == known.labels[rehearsal.rows]).double().mean()
    assert float(right) < 0.45
    assert rehearsal.rows.unique().numel() == len(known.labels)  # in turns all of them are judged


def test_a_covariance_lends_nothing_to_photos_that_made_it(drawn: Callable[..., Any]) -> None:
    right = []
    for seed in range(3):  # noise: whatever is found is found in the covariance
        known = drawn(n_known=10, words=False, noise=50.0, known_shots=4, seed=seed).known
        rehearsal = rehearse(known.embeddings, known.labels, known.n_classes, None, 2)
        right.append(float((rehearsal.likeness.argmax(1) == known.labels[rehearsal.rows]).double().mean()))

    assert sum(right) / 3 < 0.2  # by chance 0.1; by the covariance of all photos 0.39


def test_more_photos_make_prototypes_that_are_worth_more(drawn: Callable[..., Any]) -> None:
    task = drawn(n_known=10, words=False, noise=2.0, known_shots=16)
    few, many = (
        task.known.loudness(drawn(shots=shots, words=False).new, words=False, balance=0.67) for shots in (1, 8)
    )

    assert many.photos > 1.2 * few.photos
    assert few.name == 0.0
    assert few.gain == float("inf")


def test_a_prototype_gains_more_where_names_are_poor(drawn: Callable[..., Any]) -> None:
    poor, good = drawn(word_noise=2.0, noise=1.5), drawn(word_noise=0.1, noise=1.5)
    gains = [each.known.loudness(each.new, words=True, balance=0.67) for each in (poor, good)]

    assert gains[0].gain > 0.1 > gains[1].gain >= -0.01
    assert gains[0].name < gains[1].name


def test_the_level_puts_new_classes_beside_the_known_ones_wherever_those_stand(drawn: Callable[..., Any]) -> None:
    task = drawn(n_known=8, noise=1.0)
    higher = replace(task.known, logits=task.known.logits + 7.0)

    levels = [each.loudness(task.new, words=True, balance=0.67).level for each in (task.known, higher)]

    assert levels[1] - levels[0] == pytest.approx(7.0, abs=1e-3)


@pytest.mark.parametrize(("n_known", "known_shots"), [(1, 4), (2, 1), (3, 5), (9, 1), (9, 2)])
def test_few_known_classes_or_photos_are_enough(drawn: Callable[..., Any], n_known: int, known_shots: int) -> None:
    task = drawn(n_known=n_known, known_shots=known_shots)

    loudness = task.known.loudness(task.new, words=True, balance=0.67)

    assert all(torch.tensor([loudness.photos, loudness.name, loudness.level]).isfinite())


def test_the_best_shift_has_the_lowest_log_loss() -> None:
    random = torch.Generator().manual_seed(2)
    known, new = torch.randn(200, generator=random), torch.randn(200, generator=random) - 1
    is_new, weights = torch.rand(200, generator=random) < 0.3, torch.rand(200, generator=random)

    def log_loss(shift: float) -> float:
        right = torch.where(is_new, new + shift, known)
        return float((weights * (torch.logaddexp(known, new + shift) - right)).sum())

    best = best_shift(known, new, is_new, weights)

    assert log_loss(best) < min(log_loss(best - 0.05), log_loss(best + 0.05))
