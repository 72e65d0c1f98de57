"""MAP-LR's parts: the Gaussian class model against its own definition, and words against photos."""

import pytest
import torch

from components.features.carriers import Features
from components.heads.gaussian import class_means, fit_two_covariance, principal_axes, within_class_covariance
from components.heads.gda import GDA
from components.heads.map_lr import MapLR, voices_of
from components.heads.nearest_mean import NearestMean
from components.heads.pooling import pool_weights
from components.heads.support import Support
from tests.support.drawn_rows import drawn_support, drawn_task


def stretched(draw: int, shots: int, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Photos that vary along a few directions which tell nothing of the class; also that covariance."""
    embedding, labels, _ = drawn_task(8, shots, 24, noise=0.4, word_noise=0.5, seed=seed, draw=draw)
    random = torch.Generator().manual_seed(draw)
    scale = torch.ones(24) * 0.05
    scale[:4] = 0.6
    varied = embedding + scale * torch.randn(len(labels), 24, generator=random)
    return torch.nn.functional.normalize(varied, dim=1), labels, torch.diag(scale.double() ** 2 + 0.16 / 24)


def accuracy(head: MapLR | GDA | NearestMean, features: Features, labels: torch.Tensor) -> float:
    return float((head.scores(features).argmax(1) == labels).double().mean())


def test_within_class_covariance_against_numpy_definition() -> None:
    rows = torch.tensor([[0.0, 0.0], [2.0, 0.0], [5.0, 1.0], [5.0, 3.0]])
    covariance, freedom = within_class_covariance(rows, torch.tensor([0, 0, 1, 1]), 2)
    assert freedom == 2
    torch.testing.assert_close(covariance, torch.eye(2, dtype=torch.float64))


@pytest.mark.parametrize("shots", [1, 4])
def test_generic_covariance_helps_where_photos_are_few(shots: int) -> None:
    query, wanted, generic = stretched(1, 60)
    embedding, labels, _ = stretched(0, shots)
    with_it = MapLR().fit(Support.of_images(Features(embedding), labels, 8, covariance=generic))
    without = MapLR().fit(Support.of_images(Features(embedding), labels, 8))
    plain = NearestMean().fit(Support.of_images(Features(embedding), labels, 8))
    assert accuracy(with_it, Features(query), wanted) > accuracy(without, Features(query), wanted)
    assert accuracy(with_it, Features(query), wanted) > accuracy(plain, Features(query), wanted) + 0.1


def test_scale_of_the_generic_covariance_does_not_matter() -> None:
    embedding, labels, generic = stretched(0, 4)
    one, other = (fit_two_covariance(embedding, labels, 8, generic * factor) for factor in (1.0, 1e6))
    torch.testing.assert_close(one.scores(one.whiten(embedding)), other.scores(other.whiten(embedding)))


def test_unequal_shots_shrink_the_rarer_class_more() -> None:
    embedding, labels, _ = drawn_task(3, [1, 30, 30], 16, noise=0.5, word_noise=0.5, seed=0)
    model = fit_two_covariance(embedding, labels, 3, None)
    assert model.quadratic.any()
    lengths = model.linear.norm(dim=0)
    assert lengths[0] < lengths[1:].min()


def test_class_means_are_pulled_in_where_classes_hardly_differ() -> None:
    embedding, labels, _ = drawn_task(12, 3, 16, noise=0.8, word_noise=0.5, seed=0)
    # classes differ in the first four directions only
    embedding = torch.nn.functional.normalize(embedding * torch.tensor([1.0] * 4 + [0.1] * 12), dim=1)
    embedding = embedding + 0.1 * torch.randn(36, 16, generator=torch.Generator().manual_seed(0))
    model = fit_two_covariance(torch.nn.functional.normalize(embedding, dim=1), labels, 12, None)
    seen = class_means(model.whiten(torch.nn.functional.normalize(embedding, dim=1)), labels, 12)
    apart = seen.std(0)
    there = apart > 0.05  # twelve means about their centre leave some directions empty
    kept = (model.linear.T / seen)[:, there].median(0).values
    assert kept[apart[there].argmax()] > 1.2 * kept[apart[there].argmin()]


def test_photos_and_words_speak_as_loudly_as_held_out_photos_say() -> None:
    query, wanted, _ = drawn_task(20, 40, 32, noise=3.0, word_noise=1.0, seed=0, draw=1)
    scores = MapLR().fit(drawn_support(20, 16, noise=3.0, word_noise=1.0)).scores(Features(query))
    (weight,) = pool_weights([scores], wanted, [1.0])
    assert weight == pytest.approx(1.0, rel=0.25)


def test_meaningless_words_are_turned_down() -> None:
    query, wanted, _ = drawn_task(6, 50, 32, noise=0.6, word_noise=0.3, seed=0, draw=1)
    sound = MapLR().fit(drawn_support(6, 8, noise=0.6, word_noise=0.3))
    nonsense = MapLR().fit(drawn_support(6, 8, noise=0.6, word_noise=50.0))
    assert nonsense.text_weight_ < 0.2 * sound.text_weight_
    assert accuracy(nonsense, Features(query), wanted) > 0.9


def test_words_carry_what_one_photo_cannot() -> None:
    query, wanted, _ = drawn_task(20, 20, 32, noise=1.5, word_noise=0.3, seed=0, draw=1)
    both = MapLR().fit(drawn_support(20, 1, noise=1.5, word_noise=0.3))
    photos = MapLR().fit(drawn_support(20, 1, noise=1.5, words=False))
    assert accuracy(both, Features(query), wanted) > accuracy(photos, Features(query), wanted) + 0.1


@pytest.mark.parametrize("n_classes", [1, 3, 9, 20])
def test_principal_axes_are_whole_whether_there_are_few_means_or_many(n_classes: int) -> None:
    means = torch.randn(n_classes, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    variance, axes = principal_axes(means)
    torch.testing.assert_close(axes.T @ axes, torch.eye(12, dtype=torch.float64))
    torch.testing.assert_close((axes * variance) @ axes.T, means.T @ means / n_classes)


def test_voices_of_thousands_of_photos_are_read_off_every_so_manyth(monkeypatch: pytest.MonkeyPatch) -> None:
    support = drawn_support(6, 60, noise=3.0, word_noise=1.0)
    gaussian = fit_two_covariance(support.features.embedding, support.labels, 6, None)
    seen = gaussian.scores(gaussian.whiten(support.features.embedding))
    whole = voices_of(seen, seen, support)
    monkeypatch.setattr("components.heads.map_lr._ROWS_FOR_VOICES", 180)
    half = voices_of(seen, seen, support)
    assert half != whole
    assert half == pytest.approx(whole, rel=0.25)


def test_nothing_held_out_leaves_the_prior_s_loudness() -> None:
    support = drawn_support(6, 1)
    gaussian = fit_two_covariance(support.features.embedding, support.labels, 6, None)
    seen = gaussian.scores(gaussian.whiten(support.features.embedding))
    photos, words = voices_of(torch.full_like(seen, float("nan")), seen, support)
    assert float((photos * seen).std(dim=1, correction=0).mean()) == pytest.approx(1.5, rel=1e-4)
    assert words > 0
