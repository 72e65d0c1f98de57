"""The solver against scikit-learn, and its offset and start against what they mean."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from components.heads.pooling import first_of_the_best, log_loss, pool_weights, spread
from components.heads.softmax import softmax_regression
from tests.support.drawn_rows import drawn_task

CLOSE = 1e-4  # of a log-probability, in nats


@dataclass(frozen=True)
class Task:
    inputs: Tensor
    labels: Tensor
    n_classes: int
    penalty: float


def task(number: int) -> Task:
    """Drawn: 2 to 80 classes, more and fewer rows than columns, separable and not, columns of one size and of many."""
    random = np.random.default_rng([1, number])
    n_classes, d = int(np.exp(random.uniform(np.log(2), np.log(80)))), int(np.exp(random.uniform(2, 5.5)))
    labels = np.concatenate(
        [np.arange(n_classes), random.integers(0, n_classes, n_classes * int(random.integers(0, 6)))]
    )
    centres = random.normal(size=(n_classes, d))
    inputs = centres[labels] + np.exp(random.uniform(-1, 2)) * random.normal(size=(len(labels), d))
    inputs *= np.exp(0.7 * random.integers(0, 2) * random.normal(size=d))
    inputs -= inputs.mean(0)
    inputs /= np.sqrt((inputs**2).sum(1).mean()) / random.choice([1.0, 3.0])
    penalty = float(random.choice([1.0, 0.1, 0.01]))
    return Task(torch.from_numpy(inputs).float(), torch.from_numpy(labels), n_classes, penalty)


def scikit_learns(inputs: Tensor, labels: Tensor, penalty: float, weights: Tensor | None = None) -> Tensor:
    """(n, C) log-probabilities by scikit-learn in double precision, asked for far more than the bound."""
    from sklearn.linear_model import LogisticRegression

    C = (2 if int(labels.max()) == 1 else 1) / penalty  # with two classes it has one column instead of two
    model = LogisticRegression(C=C, tol=1e-9, max_iter=20_000)
    model.fit(inputs.double().numpy(), labels.numpy(), None if weights is None else weights.numpy())
    return torch.from_numpy(model.predict_log_proba(inputs.double().numpy()))


def log_probability(inputs: Tensor, found: tuple[Tensor, Tensor], offset: Tensor | None = None) -> Tensor:
    logits = inputs.double() @ found[0].double() + found[1].double()
    return torch.log_softmax(logits if offset is None else logits + offset.double(), 1)


@pytest.mark.parametrize("number", range(24))
def test_is_scikit_learns_logistic_regression(number: int) -> None:
    drawn = task(number)
    found = softmax_regression(drawn.inputs, drawn.labels, drawn.n_classes, penalty=drawn.penalty)
    expected = scikit_learns(drawn.inputs, drawn.labels, drawn.penalty)
    assert float((log_probability(drawn.inputs, found) - expected).abs().max()) < CLOSE


def test_a_smoothed_label_is_a_little_of_every_label() -> None:
    drawn = task(3)
    n, C = len(drawn.labels), drawn.n_classes
    found = softmax_regression(drawn.inputs, drawn.labels, C, penalty=drawn.penalty, smoothing=0.1)
    # scikit-learn is given each row once with its label and once with each of all labels
    inputs = torch.cat([drawn.inputs, drawn.inputs.repeat_interleave(C, 0)])
    labels = torch.cat([drawn.labels, torch.arange(C).repeat(n)])
    weights = torch.cat([torch.full((n,), 0.9), torch.full((n * C,), 0.1 / C)]).double()
    expected = scikit_learns(inputs, labels, drawn.penalty, weights)[:n]
    assert float((log_probability(drawn.inputs, found) - expected).abs().max()) < CLOSE


@pytest.mark.parametrize("number", range(8))
def test_with_an_offset_no_direction_leads_down(number: int) -> None:
    drawn = task(number)
    n, C = len(drawn.labels), drawn.n_classes
    random = torch.Generator().manual_seed(number)
    offset = 3 * torch.randn(n, C, generator=random) + 6 * torch.nn.functional.one_hot(drawn.labels, C)
    V, b = softmax_regression(drawn.inputs, drawn.labels, C, penalty=drawn.penalty, offset=offset)
    V, b = V.double().requires_grad_(), b.double().requires_grad_()
    loss = torch.nn.functional.cross_entropy(offset.double() + drawn.inputs.double() @ V + b, drawn.labels)
    (loss + drawn.penalty / (2 * n) * V.square().sum()).backward()
    for free in (V, b):
        assert free.grad is not None
        assert float(free.grad.abs().max()) < 1e-6
    assert abs(float(b.detach().sum())) < 1e-4


@pytest.mark.parametrize("number", [2, 5])
def test_threads_and_order_of_rows_change_nothing(number: int) -> None:
    drawn = task(number)
    one = softmax_regression(drawn.inputs, drawn.labels, drawn.n_classes, penalty=drawn.penalty)
    turned = torch.randperm(len(drawn.labels), generator=torch.Generator().manual_seed(0))
    torch.set_num_threads(2)
    other = softmax_regression(drawn.inputs[turned], drawn.labels[turned], drawn.n_classes, penalty=drawn.penalty)
    difference = log_probability(drawn.inputs, one) - log_probability(drawn.inputs, other)
    assert float(difference.abs().max()) < CLOSE


def test_without_an_optimum_it_ends_all_the_same() -> None:
    V, b = softmax_regression(torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1]), 2, penalty=0.0)
    assert torch.isfinite(V).all()
    assert torch.isfinite(b).all()
    assert float(log_probability(torch.tensor([[1.0]]), (V, b))[0, 1]) > -1e-3


def test_offset_that_explains_everything_leaves_nothing_to_learn() -> None:
    inputs, labels, _ = drawn_task(4, 10, 8, noise=0.5, word_noise=0.5, seed=0)
    offset = 30.0 * torch.nn.functional.one_hot(labels, 4).float()
    V, b = softmax_regression(inputs, labels, 4, penalty=1.0, offset=offset)
    assert V.abs().max() < 1e-3
    assert b.abs().max() < 1e-3


def test_starting_elsewhere_ends_at_the_same_place() -> None:
    inputs, labels, _ = drawn_task(4, 10, 60, noise=0.8, word_noise=0.5, seed=0)
    zero = softmax_regression(inputs, labels, 4, penalty=1.0)
    stronger = softmax_regression(inputs, labels, 4, penalty=10.0)
    warm = softmax_regression(inputs, labels, 4, penalty=1.0, start=stronger)
    torch.testing.assert_close(zero[0], warm[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("length", [30.0, 1000.0])
@pytest.mark.parametrize("number", range(4))
def test_it_comes_back_from_where_every_answer_is_sure_and_wrong(number: int, length: float) -> None:
    """There hardly any curvature is left: Newton's step from there would have no bounds."""
    drawn = task(number)
    random = torch.Generator().manual_seed(number)
    start = (
        length * torch.randn(drawn.inputs.shape[1], drawn.n_classes, generator=random),
        length * torch.randn(drawn.n_classes, generator=random),
    )
    zero = softmax_regression(drawn.inputs, drawn.labels, drawn.n_classes, penalty=drawn.penalty)
    found = softmax_regression(drawn.inputs, drawn.labels, drawn.n_classes, penalty=drawn.penalty, start=start)
    difference = log_probability(drawn.inputs, zero) - log_probability(drawn.inputs, found)
    assert float(difference.abs().max()) < CLOSE


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


def test_among_equals_the_first_is_taken_whatever_the_last_bit_says() -> None:
    assert first_of_the_best([0.5 + 1e-12, 0.5, 0.7], 1e-6) == 0
    assert first_of_the_best([0.5, 0.5 + 1e-12, 0.7], 1e-6) == 0
    assert first_of_the_best([0.7, 0.5 + 1e-12, 0.5], 1e-6) == 1


def test_a_temperature_does_not_hang_on_the_order_of_rows() -> None:
    random = torch.Generator().manual_seed(0)
    logits = 9 * torch.randn(500, 5, generator=random)
    labels = logits.argmax(1)  # faultless, where the loss is flat
    turned = torch.randperm(500, generator=random)
    (one,) = pool_weights([logits], labels, [1.0], strength=1.0)
    (other,) = pool_weights([logits[turned]], labels[turned], [1.0], strength=1.0)
    (near,) = pool_weights([logits], labels, [one * 1.0], strength=0.0)
    assert one == pytest.approx(other, rel=1e-9)
    assert near >= one
