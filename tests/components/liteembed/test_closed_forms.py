from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from components.liteembed.closed_forms import GdaRow, ImageMean, Name, NameAndDiscriminant
from components.liteembed.evidence import Form

FORMS: list[type[Form]] = [Name, ImageMean, GdaRow, NameAndDiscriminant]


@pytest.mark.parametrize("form", FORMS)
def test_new_photos_are_told_apart_among_new_classes(drawn: Callable[..., Any], form: type[Form]) -> None:
    task = drawn(noise=0.3)

    columns = form().fit(task.known, task.new)

    answers = columns.scores(task.new_query[0], task.known.logit_scale).argmax(1)
    assert (answers == task.new_query[1]).double().mean() > 0.9


@pytest.mark.parametrize("form", [ImageMean, GdaRow, NameAndDiscriminant])
def test_without_words_photos_speak_alone(drawn: Callable[..., Any], form: type[Form]) -> None:
    task = drawn(noise=0.3, words=False)

    columns = form().fit(task.known, task.new)

    answers = columns.scores(task.new_query[0], task.known.logit_scale).argmax(1)
    assert (answers == task.new_query[1]).double().mean() > 0.9


def test_the_name_is_as_loud_as_known_names_are(drawn: Callable[..., Any]) -> None:
    sure, unsure = drawn(word_noise=0.1, noise=0.2), drawn(word_noise=1.5, noise=2.0)

    def claimed(known: Any) -> float:  # weights of surer words may be lower: they claim no more than is proved
        words = known.logit_scale * known.embeddings @ known.text_embeddings.T
        return float(torch.softmax(known.voices.name * words, 1).max(1).values.mean())

    assert claimed(sure.known) > claimed(unsure.known)
    assert torch.allclose(
        Name().fit(sure.known, sure.new).vectors, sure.known.voices.name * sure.new.text_embeddings, atol=1e-6
    )


def test_the_image_mean_points_to_the_photos(drawn: Callable[..., Any]) -> None:
    task = drawn(words=False)

    columns = ImageMean().fit(task.known, task.new)

    assert torch.allclose(columns.vectors[1], normalize(task.new.embeddings[task.new.labels == 1].mean(0), dim=0))


def test_a_discriminant_of_fewer_photos_is_pulled_to_the_centre(drawn: Callable[..., Any]) -> None:
    task = drawn(words=False, shots=8, noise=1.5)
    one = task.new.rows(task.new.place == 0)

    gaussian = task.known.gaussian
    means = one.embeddings
    few, _ = gaussian.rows(means, torch.ones(3))
    many, _ = gaussian.rows(means, torch.full((3,), 100.0))

    assert (few.norm(dim=1) < many.norm(dim=1)).all()


def test_a_nameless_class_among_named_ones_has_the_discriminant_alone(drawn: Callable[..., Any]) -> None:
    task = drawn()
    text = task.new.text_embeddings.clone()
    text[1] = 0
    mixed = type(task.new)(task.new.names, task.new.embeddings, task.new.labels, task.new.known_logits, text)

    columns = NameAndDiscriminant().fit(task.known, mixed)

    alone = NameAndDiscriminant().fit(task.known, task.new.without_text())
    both = NameAndDiscriminant().fit(task.known, task.new)
    assert torch.equal(columns.vectors[1], alone.vectors[1])
    assert torch.equal(columns.vectors[0], both.vectors[0])
    assert not torch.equal(alone.vectors[0], both.vectors[0])


def test_one_photo_a_known_class_is_enough_to_add_to(drawn: Callable[..., Any]) -> None:
    task = drawn(known_shots=1)

    for form in FORMS:
        assert form().fit(task.known, task.new).vectors.isfinite().all()
