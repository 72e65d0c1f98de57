"""The solver against scikit-learn, and its offset and start against what they mean."""

import pytest
import torch
from sklearn.linear_model import LogisticRegression

from components.heads.pooling import log_loss, pool_weights, spread
from components.heads.softmax import softmax_regression
from tests.components.heads.drawn import drawn_task


@pytest.mark.parametrize("d", [8, 60], ids=["more rows than columns", "fewer rows than columns"])
def test_is_scikit_learns_logistic_regression(d: int) -> None:
    inputs, labels, _ = drawn_task(4, 10, d, noise=0.8, word_noise=0.5, seed=0)
    V, b = softmax_regression(inputs, labels, 4, penalty=0.2, tolerance=1e-7)
    theirs = LogisticRegression(C=5.0, tol=1e-8, max_iter=2000).fit(inputs.double().numpy(), labels.numpy())
    expected = torch.from_numpy(theirs.predict_log_proba(inputs.double().numpy())).float()
    torch.testing.assert_close(torch.log_softmax(inputs @ V + b, 1), expected, atol=2e-3, rtol=0)


def test_offset_that_explains_everything_leaves_nothing_to_learn() -> None:
    inputs, labels, _ = drawn_task(4, 10, 8, noise=0.5, word_noise=0.5, seed=0)
    offset = 30.0 * torch.nn.functional.one_hot(labels, 4).float()
    V, b = softmax_regression(inputs, labels, 4, penalty=1.0, offset=offset)
    assert V.abs().max() < 1e-3
    assert b.abs().max() < 1e-3


def test_starting_elsewhere_ends_at_the_same_place() -> None:
    inputs, labels, _ = drawn_task(4, 10, 60, noise=0.8, word_noise=0.5, seed=0)
    zero = softmax_regression(inputs, labels, 4, penalty=1.0, tolerance=1e-7)
    stronger = softmax_regression(inputs, labels, 4, penalty=10.0)
    warm = softmax_regression(inputs, labels, 4, penalty=1.0, start=stronger, tolerance=1e-7)
    torch.testing.assert_close(zero[0], warm[0], atol=2e-3, rtol=0)


def test_temperature_is_found() -> None:
    random = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 5, generator=random)
    labels = torch.multinomial(torch.softmax(logits, 1), 1, generator=random)[:, 0]
    (weight,) = pool_weights([logits * 7], labels, [1.0])
    assert weight == pytest.approx(1 / 7, rel=0.05)


def test_pool_is_no_worse_than_its_best_part() -> None:
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (500,), generator=random)
    signal = torch.nn.functional.one_hot(labels, 5) * 2.0
    parts = [signal + torch.randn(500, 5, generator=random), signal + 2 * torch.randn(500, 5, generator=random)]
    both = pool_weights(parts, labels, [1.0, 1.0])
    pooled = log_loss(both[0] * parts[0] + both[1] * parts[1], labels)
    for part in parts:
        (alone,) = pool_weights([part], labels, [1.0])
        assert pooled < log_loss(alone * part, labels)
    assert both[0] > both[1]


def test_a_strong_prior_is_kept_where_rows_are_few() -> None:
    labels = torch.tensor([0, 1])
    logits = torch.eye(2)
    free = pool_weights([logits], labels, [2.0])[0]
    held = pool_weights([logits], labels, [2.0], strength=1000.0)[0]
    assert free > 10
    assert held == pytest.approx(2.0, rel=0.01)
    assert pool_weights([logits[:0]], labels[:0], [2.0]) == [2.0]


def test_spread_makes_scales_comparable() -> None:
    scores = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert spread(scores * 9 + 3) == pytest.approx(9 * spread(scores), rel=1e-5)
    assert spread(torch.zeros(3, 4)) == 1e-6
