from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from components.liteembed import Columns, KnownClasses


def test_photos_that_were_never_held_out_are_scored_by_the_head_that_saw_them(drawn: Callable[..., Any]) -> None:
    known = drawn().known
    out_of_fold = known.logits * 2
    out_of_fold[0] = float("nan")

    made = KnownClasses.of_head(
        known.names,
        known.embeddings,
        known.labels,
        out_of_fold=out_of_fold,
        seen=known.logits * 4,
        temperature=2.0,
        logit_scale=known.logit_scale,
    )

    assert made.held_out.tolist() == [False] + [True] * (len(known.labels) - 1)
    assert torch.equal(made.logits[0], 2 * known.logits[0])
    assert torch.equal(made.logits[1:], known.logits[1:])


def test_a_known_class_without_a_photo_is_refused(drawn: Callable[..., Any]) -> None:
    known = drawn().known
    kept = known.labels != 2

    with pytest.raises(ValueError, match="every known class needs a photo"):
        replace(
            known,
            embeddings=known.embeddings[kept],
            labels=known.labels[kept],
            logits=known.logits[kept],
            held_out=known.held_out[kept],
        )


def test_a_new_class_without_a_photo_is_refused(drawn: Callable[..., Any]) -> None:
    new = drawn().new

    with pytest.raises(ValueError, match="every class needs one"):
        new.rows(new.labels != 1)


def test_classes_are_taken_with_their_photos_in_the_order_asked_for(drawn: Callable[..., Any]) -> None:
    new = drawn(n_new=3, shots=2).new

    taken = new.classes([2, 0])

    assert taken.names == ("new 2", "new 0")
    assert torch.equal(taken.text_embeddings, new.text_embeddings[[2, 0]])
    assert torch.equal(taken.embeddings[taken.labels == 0], new.embeddings[new.labels == 2])
    assert torch.equal(taken.known_logits[taken.labels == 1], new.known_logits[new.labels == 0])


def test_columns_score_as_they_say() -> None:
    columns = Columns(torch.eye(2, 3), torch.tensor([0.5, -1.0]))

    scores = columns.shifted(torch.tensor(1.0)).scores(torch.tensor([[1.0, 2.0, 3.0]]), 10.0)

    assert scores.tolist() == [[11.5, 20.0]]


def test_extended_classes_carry_the_new_columns_for_everybody(drawn: Callable[..., Any]) -> None:
    task = drawn(n_known=4, n_new=2, shots=3)
    on_known, on_new = torch.rand(len(task.known.labels), 2), torch.rand(6, 2)

    both = task.known.extended(task.new, on_known, on_new)

    n = len(task.known.labels)
    assert both.n_classes == 6
    assert both.names == task.known.names + task.new.names
    assert torch.equal(both.logits[:n], torch.cat([task.known.logits, on_known], 1))
    assert torch.equal(both.logits[n:], torch.cat([task.new.known_logits, on_new], 1))
    assert both.labels[n:].tolist() == [4, 4, 4, 5, 5, 5]
    assert torch.equal(both.text_embeddings[4:], task.new.text_embeddings)
    assert both.held_out.all()


def test_a_nameless_class_has_zero_words_and_the_voices_do_not_listen_to_them(drawn: Callable[..., Any]) -> None:
    task = drawn(n_new=1)
    none = torch.zeros(len(task.known.labels), 1) - 50

    both = task.known.extended(task.new.without_text(), none, torch.zeros(4, 1))

    assert both.named.tolist() == [True] * 6 + [False]
    assert both.voices.name == pytest.approx(task.known.voices.name)


def test_the_level_is_what_stands_between_the_head_and_its_names(drawn: Callable[..., Any]) -> None:
    known = drawn(noise=1.5).known
    names = known.voices.name * known.logits

    assert replace(known, logits=names).level == pytest.approx(0.0, abs=1e-4)
    assert replace(known, logits=names + 3.0).level == pytest.approx(3.0, abs=1e-4)
    assert replace(known, text_embeddings=None).level == 0.0
