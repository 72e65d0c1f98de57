import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from components.liteembed import EmbeddingSettings, NewClasses, Vocabulary, seen_unseen
from components.liteembed.closed_forms import Name
from components.liteembed.embedding import Embedding, _Problem
from components.liteembed.evidence import Form


def embedding(stiffness: float = 0.02, axes: Any = None, start: Any = "name", **settings: Any) -> Embedding:
    return Embedding(EmbeddingSettings(**settings), stiffness, axes, start)


def harmonic(task: Any, form: Form) -> float:
    columns = form.fit(task.known, task.new)
    scale = task.known.logit_scale
    known, new = task.query, task.new_query
    return seen_unseen(
        (task.known_logits(known[0]), columns.scores(known[0], scale), known[1]),
        (task.known_logits(new[0]), columns.scores(new[0], scale), new[1]),
        task.known.n_classes,
        task.new.n_classes,
    ).harmonic_at_zero


def test_photos_mend_what_a_poor_name_says(drawn: Callable[..., Any]) -> None:
    gains = []
    for seed in range(5):
        task = drawn(word_noise=2.0, noise=1.2, seed=seed)
        gains.append(harmonic(task, embedding()) - harmonic(task, Name()))

    assert min(gains) > -0.02
    assert sum(gains) / 5 > 0.05


def test_the_gradient_is_that_of_the_loss(drawn: Callable[..., Any]) -> None:
    random = torch.Generator().manual_seed(3)
    inputs, start = torch.randn(9, 4, generator=random), torch.randn(9, 2, generator=random)
    known = torch.randn(9, 3, generator=random)
    labels, new_labels, weights = torch.arange(6) % 3, torch.tensor([0, 1, 1]), torch.rand(9, generator=random)
    problem = _Problem(
        inputs=inputs,
        start=start,
        log_known=known.logsumexp(1),
        true_known=known[:6].gather(1, labels[:, None])[:, 0],
        labels=new_labels,
        weights=weights,
        offset_stiffness=torch.tensor([0.0, 0.7]),
    )
    point = torch.randn(5, 2, generator=random)

    loss, gradient = problem.loss_and_gradient(point)

    free = point.clone().requires_grad_()
    logits = torch.cat([known, start + inputs @ free[:-1] + free[-1]], 1)
    every = torch.nn.functional.cross_entropy(logits, torch.cat([labels, new_labels + 3]), reduction="none")
    expected = (weights * every).sum() + free[:-1].square().sum() / 2 + 0.35 * free[-1, 1] ** 2
    expected.backward()
    assert loss == pytest.approx(expected.item(), rel=1e-5)
    assert torch.allclose(gradient, free.grad, atol=1e-5)


def test_infinitely_stiff_it_is_the_name_with_an_offset(drawn: Callable[..., Any]) -> None:
    task = drawn()

    columns = embedding(stiffness=1e12).fit(task.known, task.new)

    assert torch.allclose(columns.vectors, Name().fit(task.known, task.new).vectors, atol=1e-5)
    assert columns.offsets.abs().max() > 0


def test_an_offset_is_drawn_to_where_it_starts(drawn: Callable[..., Any]) -> None:
    task = drawn(shots=1, noise=1.0)

    free, drawn_in = (embedding(offset=offset).fit(task.known, task.new).offsets for offset in (0.0, 100.0))

    level = task.known.level
    assert (drawn_in - level).abs().max() < 0.1 * (free - level).abs().max()


def test_a_frozen_part_stays_where_the_name_puts_it(drawn: Callable[..., Any], vocabulary: Vocabulary) -> None:
    task = drawn(word_noise=1.2, noise=1.0)
    first = vocabulary.axes.directions[:8]
    name = Name().fit(task.known, task.new).vectors

    coarse_frozen = embedding(axes=vocabulary.axes, coarse=1e12, n_coarse=8).fit(task.known, task.new)
    fine_frozen = embedding(axes=vocabulary.axes, fine=1e12, n_coarse=8).fit(task.known, task.new)

    moved = coarse_frozen.vectors - name
    assert moved.norm() > 0.05
    assert (moved @ first.T).norm() < 1e-4
    moved = fine_frozen.vectors - name
    assert moved.norm() > 0.05
    assert (moved - moved @ first.T @ first).norm() < 1e-4


def test_axes_change_nothing_where_all_are_equally_stiff(drawn: Callable[..., Any], vocabulary: Vocabulary) -> None:
    task = drawn()

    plain = embedding(steps=200).fit(task.known, task.new)
    turned = embedding(axes=vocabulary.axes, steps=200).fit(task.known, task.new)

    assert torch.allclose(plain.vectors, turned.vectors, atol=1e-3)


def test_the_same_arrival_gives_the_same_bits(drawn: Callable[..., Any]) -> None:
    first, second = (embedding().fit(task.known, task.new) for task in (drawn(), drawn()))

    assert torch.equal(first.vectors, second.vectors)
    assert torch.equal(first.offsets, second.offsets)


def test_known_photos_defend_their_classes(drawn: Callable[..., Any]) -> None:
    task = drawn(n_new=1, noise=1.0)
    quiet = embedding(balance=0.0).fit(task.known, task.new)
    loud = embedding(balance=1.0).fit(task.known, task.new)

    def lost(offsets: Any) -> float:
        scores = offsets.scores(task.query[0], task.known.logit_scale)[:, 0]
        return float((scores > task.known_logits(task.query[0]).max(1).values).double().mean())

    assert lost(quiet) <= lost(loud)
    assert quiet.offsets[0] < loud.offsets[0]


def test_a_nameless_class_starts_from_its_photos_alone(drawn: Callable[..., Any]) -> None:
    task = drawn(words=False)

    start = embedding(stiffness=math.inf).fit(task.known, task.new)
    loud = task.known.loudness(task.new, words=False, balance=0.67)
    prototypes = task.known.whitening.prototypes(task.new.embeddings, task.new.labels, 3)
    weights, offsets = task.known.whitening.rows(prototypes)

    assert torch.allclose(start.vectors, (loud.photos / task.known.logit_scale * weights).float(), atol=1e-6)
    assert torch.allclose(start.offsets, (loud.photos * offsets + loud.level).float(), atol=1e-5)
    assert harmonic(task, embedding()) > 0.8


def test_each_class_s_start_is_its_own(drawn: Callable[..., Any]) -> None:
    task = drawn()
    text: Tensor = task.new.text_embeddings.clone()
    text[0] = 0
    mixed: NewClasses = replace(task.new, text_embeddings=text)
    named, nameless = (
        embedding(stiffness=math.inf, start=start).fit(task.known, new)
        for start, new in (("name", task.new), ("prototype", task.new.without_text()))
    )

    for start in ("name", "prototype"):
        found = embedding(stiffness=math.inf, start=start).fit(task.known, mixed)
        assert torch.allclose(found.vectors[0], nameless.vectors[0], atol=1e-6)
        assert torch.equal(found.vectors[1:], named.vectors[1:]) == (start == "name")


def test_hidden_photos_do_not_take_part(drawn: Callable[..., Any]) -> None:
    task = drawn(noise=1.0)
    known, hidden = task.known, task.known.place < 2
    other = replace(known, embeddings=known.embeddings.clone())
    other.embeddings[hidden] = -other.embeddings[hidden]  # as unlike as can be
    for name in ("gaussian", "voices", "level", "whitening"):
        other.__dict__[name] = getattr(known, name)

    columns, same, seen = (
        embedding(start="name").fit(each, task.new) for each in (known.hiding(hidden), other.hiding(hidden), known)
    )

    assert torch.equal(columns.vectors, same.vectors)
    assert not torch.allclose(columns.vectors, seen.vectors, atol=1e-3)
