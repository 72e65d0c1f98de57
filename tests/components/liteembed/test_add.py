import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from components.errors import UserInputError
from components.liteembed import (
    EmbeddingSettings,
    LiteEmbedSettings,
    Vocabulary,
    add_classes,
    make_forms,
    seen_unseen,
    try_forms,
)
from components.liteembed.embedding import Embedding


def test_every_form_is_tried_and_the_one_that_went_live_says_why(drawn: Callable[..., Any]) -> None:
    task, told = drawn(), []

    addition = add_classes(task.known, task.new, LiteEmbedSettings(), progress=told.append)

    assert told == list(LiteEmbedSettings().forms)
    assert list(addition.evidence) == told
    assert addition.form in addition.why
    assert [added.name for added in addition.classes] == ["new 0", "new 1", "new 2"]
    assert all(added.form == addition.form for added in addition.classes)
    assert all(0 <= added.recall <= 1 for added in addition.classes)


def test_what_goes_live_is_nearly_the_best_of_all_forms_on_photos_nobody_saw(drawn: Callable[..., Any]) -> None:
    lost = []
    for seed in range(4):
        task = drawn(seed=seed, noise=1.2, word_noise=1.0)

        def harmonic(settings: LiteEmbedSettings, task: Any = task) -> float:
            columns = add_classes(task.known, task.new, settings).columns
            scale = task.known.logit_scale
            return seen_unseen(
                (task.known_logits(task.query[0]), columns.scores(task.query[0], scale), task.query[1]),
                (task.known_logits(task.new_query[0]), columns.scores(task.new_query[0], scale), task.new_query[1]),
                task.known.n_classes,
                task.new.n_classes,
            ).harmonic_at_zero

        each = [harmonic(LiteEmbedSettings(forms=(form,))) for form in LiteEmbedSettings().forms]
        lost.append(max(each) - harmonic(LiteEmbedSettings()))

    assert sum(lost) / len(lost) < 0.04


def test_the_same_arrival_gives_the_same_bits(drawn: Callable[..., Any]) -> None:
    first, second = (add_classes(task.known, task.new, LiteEmbedSettings()) for task in (drawn(), drawn()))

    assert torch.equal(first.columns.vectors, second.columns.vectors)
    assert torch.equal(first.columns.offsets, second.columns.offsets)
    assert torch.equal(first.on_new, second.on_new)


def test_the_vocabulary_explains_and_moves_no_vector(drawn: Callable[..., Any], vocabulary: Vocabulary) -> None:
    task = drawn(noise=0.3)

    with_words = add_classes(task.known, task.new, LiteEmbedSettings(), vocabulary=vocabulary)
    without = add_classes(task.known, task.new, LiteEmbedSettings())

    assert torch.equal(with_words.columns.vectors, without.columns.vectors)
    assert with_words.vocabulary == vocabulary.digest
    assert without.vocabulary is None


def test_one_photo_goes_live_on_prior_knowledge(drawn: Callable[..., Any]) -> None:
    addition = add_classes(drawn().known, drawn(shots=1).new, LiteEmbedSettings())

    assert addition.form == "embedding"
    assert "prior knowledge" in addition.why
    assert all(math.isnan(added.recall) for added in addition.classes)


def test_a_part_number_is_forgotten_and_photos_carry_the_class(
    drawn: Callable[..., Any], vocabulary: Vocabulary
) -> None:
    task = drawn(n_new=3, shots=6, noise=0.5)
    text = task.new.text_embeddings.clone()
    text[1] = vocabulary.embeddings[17]
    new = replace(task.new, text_embeddings=text)

    addition = add_classes(task.known, new, LiteEmbedSettings(), vocabulary=vocabulary)

    assert [added.name_means_something for added in addition.classes] == [True, False, True]
    assert addition.classes[1].name_score < LiteEmbedSettings().name_gate
    assert "name" not in addition.evidence
    answers = addition.columns.scores(task.new_query[0], task.known.logit_scale).argmax(1)
    mine = task.new_query[1] == 1
    assert (answers[mine] == 1).double().mean() > 0.8


def test_left_out_photos_choose_the_stiffness(drawn: Callable[..., Any]) -> None:
    poor, good = drawn(word_noise=2.0, shots=6), drawn(word_noise=0.0, shots=3, noise=3.0, known_shots=20)

    def likes_stiff(task: Any) -> bool:
        losses = []
        for stiffness in (0.02, 100.0):
            only = LiteEmbedSettings(forms=("embedding",), embedding=EmbeddingSettings(stiffness=(stiffness,)))
            losses.append(add_classes(task.known, task.new, only).evidence["embedding"].log_loss)
        both = LiteEmbedSettings(forms=("embedding",), embedding=EmbeddingSettings(stiffness=(0.02, 100.0)))
        taken = add_classes(task.known, task.new, both).evidence["embedding"].log_loss
        assert taken == min(losses)
        return losses[1] < losses[0]

    assert not likes_stiff(poor)
    assert likes_stiff(good)


def test_the_start_is_the_prototype_only_where_it_gains_enough(drawn: Callable[..., Any]) -> None:
    settings = LiteEmbedSettings()

    def started(shots: int, **how: Any) -> Embedding:
        task = drawn(shots=shots, n_known=8, known_shots=16, **how)
        taken = try_forms(make_forms("embedding", settings, None, None), task.known, task.new, settings)
        assert isinstance(taken.fitted, Embedding)
        return taken.fitted

    for shots in (1, 6):
        poor = started(shots, word_noise=3.0, noise=1.0)
        good = started(shots, word_noise=0.0, noise=1.0)
        assert (poor.start, good.start) == ("prototype", "name")
        assert math.isinf(poor.stiffness) == (shots == 1)
        assert math.isfinite(good.stiffness)


def test_arrivals_one_after_the_other_build_on_each_other(drawn: Callable[..., Any]) -> None:
    task = drawn(n_new=3, shots=6, noise=0.4)
    known, added = task.known, []

    def logits(rows: Tensor) -> Tensor:
        """What is live at that moment."""
        return torch.cat([task.known_logits(rows)] + [one.columns.scores(rows, known.logit_scale) for one in added], 1)

    for label in range(3):
        arrival = task.new.classes([label])
        arrival = replace(arrival, known_logits=logits(arrival.embeddings))
        added.append(add_classes(known, arrival, LiteEmbedSettings()))
        known = added[-1].extend(known, arrival)

    right = logits(task.new_query[0]).argmax(1) == task.new_query[1] + 6
    assert known.n_classes == 9
    assert right.double().mean() > 0.85


def test_without_a_name_the_form_of_names_has_nothing_to_offer(drawn: Callable[..., Any]) -> None:
    task = drawn(words=False)

    with pytest.raises(UserInputError, match="name that means something"):
        add_classes(task.known, task.new, LiteEmbedSettings(forms=("name",)))


def test_coarse_apart_from_fine_needs_a_vocabulary(drawn: Callable[..., Any], vocabulary: Vocabulary) -> None:
    task = drawn()
    settings = LiteEmbedSettings(embedding=EmbeddingSettings(coarse=4.0, n_coarse=8))

    with pytest.raises(UserInputError, match="no vocabulary"):
        add_classes(task.known, task.new, settings)
    assert add_classes(task.known, task.new, settings, vocabulary=vocabulary).classes
