from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from components.liteembed import Vocabulary, asked_of_names, name_scores
from components.liteembed.things import names_of_things


def test_real_names_stand_out_and_drawn_ones_do_not(drawn: Callable[..., Any], vocabulary: Vocabulary) -> None:
    task = drawn(n_new=6, noise=0.4)
    random = replace(task.new, text_embeddings=vocabulary.embeddings[:6])

    assert (name_scores(task.known, task.new, vocabulary) > 2.5).all()
    assert (name_scores(task.known, random, vocabulary) < 2.5).all()


def test_a_name_that_fits_every_picture_means_nothing(drawn: Callable[..., Any], vocabulary: Vocabulary) -> None:
    task = drawn(n_new=6, noise=0.4)
    everywhere = torch.nn.functional.normalize(task.known.embeddings.mean(0), dim=0)
    hub = replace(task.new, text_embeddings=everywhere.expand(6, -1))

    assert (name_scores(task.known, hub, vocabulary) < 1.0).all()


def test_another_class_s_name_means_nothing(drawn: Callable[..., Any], vocabulary: Vocabulary) -> None:
    task = drawn(n_new=6, noise=0.4)
    swapped = replace(task.new, text_embeddings=task.new.text_embeddings.roll(1, 0))

    right, wrong = (name_scores(task.known, new, vocabulary) for new in (task.new, swapped))

    assert (wrong < right).all()


def test_less_is_asked_of_a_name_with_few_photos() -> None:
    assert asked_of_names(torch.tensor([1, 3]), 2.0).tolist() == [1.0, 1.5]


def test_starter_and_whole_vocabulary_judge_alike(drawn: Callable[..., Any], vocabulary: Vocabulary) -> None:
    task, things = drawn(), names_of_things()[:120]
    starter = replace(vocabulary, words=things, embeddings=vocabulary.embeddings[:120])
    whole = replace(vocabulary, words=(*things, *(f"{number}ation" for number in range(80))), kind="full")

    assert torch.equal(name_scores(task.known, task.new, starter), name_scores(task.known, task.new, whole))
    assert not torch.equal(
        name_scores(task.known, task.new, starter), name_scores(task.known, task.new, vocabulary)
    )  # whose words name no things, so that all count
