import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

import pytest
import torch

from components.liteembed import Columns, Evidence, KnownClasses, NewClasses, Tried, prefer, seen_unseen, try_form
from components.liteembed.closed_forms import ImageMean, Name
from components.liteembed.evidence import OwnOffset


class Memory:
    """A form that is sure of photos it has seen and of no others, and counts its fits."""

    name: ClassVar[str] = "memory"
    needs_text: ClassVar[bool] = False

    def __init__(self) -> None:
        self.seen: list[int] = []

    def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
        self.seen.append(len(new.labels))
        d = new.embeddings.shape[1]
        # solve for vectors that give 1 for the seen photos of the class and 0 for the rest of them
        targets = torch.nn.functional.one_hot(new.labels, new.n_classes).float()
        return Columns((torch.linalg.pinv(new.embeddings) @ targets).T.reshape(new.n_classes, d), torch.zeros(3) - 20)


def test_photos_are_judged_by_columns_that_had_not_seen_them(drawn: Callable[..., Any]) -> None:
    task = drawn(noise=8.0, shots=4)  # photos that have nothing in common
    memory = Memory()
    loud = replace(task.new, known_logits=task.new.known_logits - 50)

    tried = try_form(memory, task.known, loud, folds=4)

    assert memory.seen == [12, 9, 9, 9, 9]
    in_sample = tried.columns.scores(loud.embeddings, task.known.logit_scale).argmax(1)
    assert (in_sample == loud.labels).all()
    assert tried.evidence.new < 0.7
    assert tried.evidence.n_new == 12


def test_an_offset_found_on_evidence_beats_none(drawn: Callable[..., Any]) -> None:
    task = drawn(words=False, noise=1.6)

    honest = try_form(ImageMean(), task.known, task.new, folds=4)
    without = ImageMean().fit(task.known, task.new)

    shift = honest.columns.offsets - without.offsets
    unmoved = seen_unseen(
        (task.known.logits, honest.on_known - shift, task.known.labels),
        (task.new.known_logits, honest.on_new - shift, task.new.labels),
        6,
        3,
    )
    assert honest.evidence.harmonic > unmoved.harmonic_at_zero
    assert torch.equal(honest.columns.vectors, without.vectors)
    assert torch.allclose(shift, shift[0].expand(3))


def test_a_learnt_offset_moves_to_what_left_out_photos_find_likeliest(drawn: Callable[..., Any]) -> None:
    task = drawn(noise=1.6)
    free, bounded = (
        try_form(Name(), task.known, task.new, folds=4, own_offset=OwnOffset(0.67, most_drop))
        for most_drop in (1.0, 0.02)
    )

    def log_loss(shift: float) -> float:
        scores = (
            torch.cat([task.known.logits, free.on_known + shift], 1),
            torch.cat([task.new.known_logits, free.on_new + shift], 1),
        )
        first = torch.nn.functional.cross_entropy(scores[0], task.known.labels)
        second = torch.nn.functional.cross_entropy(scores[1], task.new.labels + 6)
        return float(first + 0.5**0.33 * second)

    assert log_loss(0.0) < min(log_loss(-0.3), log_loss(0.3))
    assert free.evidence.base_drop > 0.02 >= bounded.evidence.base_drop
    assert (bounded.columns.offsets < free.columns.offsets).all()


def test_known_photos_are_judged_by_columns_that_had_not_learnt_from_them(drawn: Callable[..., Any]) -> None:
    hidden = []

    class Watching(Name):
        def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
            hidden.append(known.hidden)
            shout = 0.0 if known.hidden is None else float(len(hidden))
            return super().fit(known, new).shifted(torch.tensor(shout))

    task = drawn(shots=2, known_shots=6)
    tried = try_form(Watching(), task.known, task.new, folds=4, own_offset=OwnOffset(0.67, 1.0))

    assert hidden[0] is None
    assert (torch.stack(hidden[1:]).sum(0) == 1).all()
    by_fold = tried.on_known - tried.columns.scores(task.known.embeddings, task.known.logit_scale)
    assert torch.allclose(by_fold[hidden[1]], torch.tensor(2.0), atol=1e-4)
    assert torch.allclose(by_fold[hidden[2]], torch.tensor(3.0), atol=1e-4)


def test_one_photo_leaves_no_evidence_of_what_is_gained_but_of_what_is_lost(drawn: Callable[..., Any]) -> None:
    task = drawn(shots=1, noise=0.4)
    image_mean = try_form(ImageMean(), task.known, task.new, folds=4)

    assert image_mean.evidence.kind == "prior"
    assert math.isnan(image_mean.evidence.new)
    assert image_mean.evidence.base_drop <= 0.05
    assert image_mean.recall.isnan().all()


def test_a_class_of_one_photo_among_others_is_not_left_out(drawn: Callable[..., Any]) -> None:
    task = drawn(shots=3)
    kept = (task.new.labels != 1) | (task.new.place == 0)
    new = task.new.rows(kept)

    tried = try_form(Name(), task.known, new, folds=4)

    assert tried.evidence.n_new == 6
    assert tried.recall.isnan().tolist() == [False, True, False]
    assert tried.on_new.isfinite().all()


def test_base_drop_is_what_known_photos_lose(drawn: Callable[..., Any]) -> None:
    task = drawn(noise=0.2, word_noise=0.1)

    class Shout:
        name: ClassVar[str] = "shout"
        needs_text: ClassVar[bool] = False

        def fit(self, known: KnownClasses, new: NewClasses) -> Columns:
            return Columns(torch.zeros(new.n_classes, known.embeddings.shape[1]), torch.full((new.n_classes,), 99.0))

    tried = try_form(Shout(), task.known, task.new, folds=4, own_offset=OwnOffset(0.67, 1.0))

    assert tried.evidence.base == 0.0
    assert tried.evidence.base_drop == pytest.approx(1.0)
    assert tried.evidence.harmonic == 0.0


def tried(form: str, harmonic: float, n_new: int = 40, kind: Any = "leave_one_out", base_drop: float = 0.01) -> Tried:
    evidence = Evidence(kind, 0.8, base_drop, 0.8, harmonic, 0.5, n_new)
    nothing = torch.zeros(1, 1)
    return Tried(form, Name(), Columns(torch.zeros(1, 2), torch.zeros(1)), nothing, nothing, evidence, torch.zeros(1))


def test_the_first_form_stays_unless_another_is_clearly_better() -> None:
    first = tried("embedding", 0.80)

    assert prefer([first, tried("name", 0.82)]).form == "embedding"
    assert prefer([first, tried("name", 0.90)]).form == "name"
    assert prefer([first, tried("name", 0.90, n_new=4)]).form == "name"
    assert prefer([tried("embedding", 0.80, n_new=4), tried("name", 0.90)]).form == "embedding"
    assert (
        prefer([tried("embedding", math.nan, kind="prior"), tried("name", math.nan, kind="prior")]).form == "embedding"
    )


def test_what_costs_the_known_classes_more_does_not_replace_the_first() -> None:
    first = tried("embedding", 0.60)

    assert prefer([first, tried("gda_row", 0.90, base_drop=0.10)]).form == "embedding"
    assert prefer([first, tried("gda_row", 0.90, base_drop=0.02)]).form == "gda_row"
