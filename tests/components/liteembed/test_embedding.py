import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from components.liteembed import EmbeddingSettings, NewClasses, Vocabulary, seen_unseen
from components.liteembed.closed_forms import Name
from components.liteembed.embedding import Embedding
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


def test_where_it_ends_no_direction_leads_down(drawn: Callable[..., Any]) -> None:
    task = drawn(word_noise=1.0, noise=1.0)
    known, new = task.known, task.new
    start = Name().fit(known, new)

    columns = embedding(balance=0.0, offset=0.7, stiffness=1.0).fit(known, new)

    shift = ((columns.vectors - start.vectors).double() * known.logit_scale).requires_grad_()
    offset = (columns.offsets - start.offsets).double().requires_grad_()
    rows, labels = (
        torch.cat([known.embeddings, new.embeddings]),
        torch.cat([known.labels, new.labels + known.n_classes]),
    )
    scores = start.scores(rows, known.logit_scale) + rows.double() @ shift.T + offset
    logits = torch.cat([torch.cat([known.logits, new.known_logits]).double(), scores], 1)
    weights = torch.cat(
        [float(new.shots.double().mean()) / known.shots[known.labels].double(), torch.ones(len(new.labels))]
    )
    losses = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    loss = (weights * losses).sum() + shift.square().sum() / 2 + 0.35 * offset.square().sum()
    loss.backward()
    assert max(float(free.grad.abs().max()) for free in (shift, offset)) < 1e-3  # type: ignore[union-attr]


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

    plain = embedding().fit(task.known, task.new)
    turned = embedding(axes=vocabulary.axes).fit(task.known, task.new)

    assert torch.allclose(plain.vectors, turned.vectors, atol=1e-5)


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
