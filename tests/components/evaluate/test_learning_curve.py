"""What as many photos again would bring."""

from dataclasses import replace

import torch

from components.classifier import fit_head
from components.evaluate.learning_curve import promise_of_more
from components.features.carriers import Features
from tests.support.drawn_rows import drawn_support, drawn_task


def test_the_promise_comes_about_true() -> None:
    few = drawn_support(8, 6, noise=1.6, words=False)
    embedding, labels, _ = drawn_task(8, 60, 32, noise=1.6, word_noise=0.5, seed=0, draw=1)
    more, more_labels, _ = drawn_task(8, 6, 32, noise=1.6, word_noise=0.5, seed=0, draw=2)
    both = replace(
        drawn_support(8, 12, words=False),
        features=Features(torch.cat([few.features.embedding, more])),
        labels=torch.cat([few.labels, more_labels]),
    )

    promise = promise_of_more(few)

    assert promise is not None
    assert (promise.shots, promise.more) == (6, 6)
    assert promise.gain > 0 < promise.spread
    true = (fit_head("map_lr", both).scores(Features(embedding)).argmax(1) == labels).double().mean()
    assert abs(promise.then - float(true)) < 0.08


def test_easy_classes_promise_little() -> None:
    promise = promise_of_more(drawn_support(5, 8, noise=0.1))

    assert promise is not None
    assert promise.gain < 0.03


def test_too_few_photos_promise_nothing() -> None:
    assert promise_of_more(drawn_support(5, [8, 8, 3, 8, 8])) is None
    assert promise_of_more(drawn_support(5, 1)) is None


def test_a_class_that_is_mistaken_most_gains_most() -> None:
    easy = drawn_support(6, 8, noise=0.3, words=False)
    embedding = easy.features.embedding.clone()
    twins = easy.labels >= 4  # two classes of one look
    embedding[twins] = drawn_support(1, 16, noise=1.5, words=False, seed=3).features.embedding

    promise = promise_of_more(replace(easy, features=Features(embedding)))

    assert promise is not None
    gains = [each.gain for each in promise.classes]
    assert [each.label for each in promise.classes] == list(range(6))
    assert min(gains[4:]) > 2 * max(gains[:4])
    assert all(each.spread > 0 for each in promise.classes)
