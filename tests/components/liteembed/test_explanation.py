from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from components.heads.pooling import least_temperature
from components.liteembed import LiteEmbedSettings, Vocabulary, add_classes


def test_a_photo_of_another_class_is_named_with_what_it_shows(drawn: Callable[..., Any]) -> None:
    task = drawn(n_new=2, shots=6, noise=0.3)
    intruder = task.known.embeddings[task.known.labels == 4][0]
    photos = task.new.embeddings.clone()
    photos[2] = intruder
    new = replace(task.new, embeddings=photos, known_logits=task.known_logits(photos))

    addition = add_classes(task.known, new, LiteEmbedSettings())

    (misfit,) = addition.classes[0].explanation.misfits
    assert (misfit.photo, misfit.taken_for) == (2, "known 4")
    assert misfit.probability < 0.5
    assert addition.classes[1].explanation.misfits == ()


def test_the_nearest_known_class_is_pushed_away(drawn: Callable[..., Any]) -> None:
    task = drawn(n_new=1, shots=8, noise=0.3, word_noise=0.1)
    wrong = task.known.text_embeddings[3:4]  # a name that stands for known class 3
    # as a bundle has them: no surer than so many photos prove
    temperature = least_temperature(task.known.logits, len(task.known.logits), at_least=1.0)
    known = replace(task.known, logits=task.known.logits / temperature)
    new = replace(task.new, text_embeddings=wrong, known_logits=task.new.known_logits / temperature)

    addition = add_classes(known, new, LiteEmbedSettings(forms=("embedding",)))

    explanation = addition.classes[0].explanation
    third = [neighbour for neighbour in explanation.neighbours if neighbour.name == "known 3"]
    assert all(neighbour.after < neighbour.before for neighbour in third)
    assert explanation.own_after > explanation.own_before
    similarities = [neighbour.similarity for neighbour in explanation.neighbours]
    assert similarities == sorted(similarities, reverse=True)


def test_words_come_from_the_vocabulary(drawn: Callable[..., Any], vocabulary: Vocabulary) -> None:
    task = drawn(n_new=1)
    settings = LiteEmbedSettings(forms=("name",), name_gate=-9.0)
    named = replace(task.new, text_embeddings=vocabulary.embeddings[42:43])

    addition = add_classes(task.known, named, settings, vocabulary=vocabulary)

    assert addition.classes[0].explanation.words[0] == "word42"
    assert add_classes(task.known, named, settings).classes[0].explanation.words == ()


def test_probabilities_are_those_of_the_whole_answer(drawn: Callable[..., Any]) -> None:
    task = drawn(n_new=2, shots=1)

    addition = add_classes(task.known, task.new, LiteEmbedSettings())

    logits = torch.cat([task.new.known_logits, addition.on_new], 1)
    expected = torch.softmax(logits, 1)[0, task.known.n_classes]
    assert abs(addition.classes[0].explanation.own_after - float(expected)) < 1e-6
