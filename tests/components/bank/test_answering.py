"""One rule from features to an answer, whatever was added."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from components.bank import AddedClass, Answering, Bank, threshold_beside
from components.classifier import Bundle
from tests.support.drawn_bank import features_of
from tests.support.drawn_rows import drawn_support
from tests.support.live_place import fitter_for
from tests.support.saved_bundle import drawn_bundle

NAMES = ("rust", "dent", "crack")


def added(*names: str) -> list[AddedClass]:
    return [AddedClass(name, tuple(f"{name}-{n}" for n in range(3)), "t", 1) for name in names]


@pytest.fixture(scope="module")
def easy() -> Bundle:
    """Three classes of twelve photos that nothing mistakes."""
    return drawn_bundle(drawn_support(3, shots=12, noise=0.1), ["gda"])[0]


@pytest.fixture(scope="module")
def beside(easy: Bundle) -> Bank:
    return fitter_for(easy)(Bank.empty(easy), added(*NAMES), "").bank


def test_without_added_classes_it_is_the_bundle_s_own_answer(bundle: Bundle) -> None:
    photos = features_of(["rust-9", "dent-9"])
    answers = Answering.of(bundle).answer(photos)
    probabilities = torch.softmax(bundle.head.scores(photos) / bundle.temperature, 1)
    assert torch.equal(answers.probabilities, probabilities)
    assert bundle.threshold is not None
    assert torch.equal(answers.abstained, probabilities.double().max(1).values < bundle.threshold)
    assert Answering.of(bundle).threshold == bundle.threshold


def test_probabilities_and_abstention() -> None:
    support: Any = drawn_support(shots=8, noise=3.0, word_noise=3.0)
    bundle = drawn_bundle(support, ["map_lr"])[0]
    answers = Answering.of(bundle).answer(support.features)
    torch.testing.assert_close(answers.probabilities.sum(1), torch.ones(40))
    assert bundle.temperature != 1.0
    assert bundle.threshold is not None
    assert torch.equal(answers.abstained, answers.probabilities.max(1).values < bundle.threshold)
    one_shot = drawn_bundle(drawn_support(shots=1), ["map_lr"])[0]
    assert not Answering.of(one_shot).answer(support.features).abstained.any()


def test_known_photos_go_on_being_answered_when_classes_are_added_to_an_easy_set(easy: Bundle, beside: Bank) -> None:
    support: Any = drawn_support(3, shots=12, noise=0.1)
    before, after = Answering.of(easy), Answering(easy, beside)
    assert before.answer(support.features).classes.tolist() == support.labels.tolist()
    answers = after.answer(support.features)
    assert int(answers.abstained.sum()) == 0
    assert easy.threshold is not None
    by_the_old_one = answers.probabilities.max(1).values < easy.threshold
    assert int(by_the_old_one.sum()) > 6
    assert after.threshold is not None
    assert after.threshold > 0.8


def test_as_many_held_out_photos_are_unknown_as_before(easy: Bundle, beside: Bank) -> None:
    strict = replace(easy, threshold=float(_sureness(easy, Bank.empty(easy)).median()))
    n_before = int((_sureness(easy, Bank.empty(easy)) < strict.threshold).sum())
    threshold = Answering(strict, beside).threshold
    assert threshold is not None
    assert int((_sureness(easy, beside) < threshold).sum()) <= n_before


def test_what_is_added_to_an_easy_set_is_found_and_nothing_else_is(easy: Bundle, beside: Bank) -> None:
    answering = Answering(easy, beside)
    unseen = answering.answer(features_of([f"{name}-{n}" for name in NAMES for n in range(20, 30)]))
    truth = torch.arange(3, 6).repeat_interleave(10)
    assert float((unseen.probabilities.argmax(1) == truth).double().mean()) == 1.0
    assert float((unseen.classes == truth).double().mean()) > 0.9
    others = answering.answer(features_of([f"other{n}-1" for n in range(40)]))
    assert float(others.abstained.double().mean()) > 0.9
    assert float(others.probabilities.max()) < 0.995  # no class, trained or added, is "100 %"


@pytest.mark.parametrize(
    ("head", "n_classes", "shots"),
    [
        *((head, 2, 5) for head in ("gda", "nearest_mean", "map_lr", "linear_probe")),
        *((head, n_classes, shots) for head in ("gda", "map_lr") for n_classes, shots in ((3, 12), (5, 4))),
        *(
            pytest.param(head, n_classes, shots, marks=pytest.mark.soak)
            for head in ("nearest_mean", "linear_probe")
            for n_classes, shots in ((3, 12), (5, 4))
        ),
    ],
)
def test_added_classes_are_no_louder_than_easy_trained_ones(head: str, n_classes: int, shots: int) -> None:
    support: Any = drawn_support(n_classes, shots=shots, noise=0.1)
    bundle = drawn_bundle(support, [head])[0]
    answering = Answering(bundle, fitter_for(bundle)(Bank.empty(bundle), added(*NAMES), "").bank)
    assert answering.answer(support.features).probabilities.argmax(1).tolist() == support.labels.tolist()
    unseen = answering.answer(features_of([f"{name}-{n}" for name in NAMES for n in range(20, 30)]))
    right = unseen.probabilities.argmax(1) == torch.arange(n_classes, n_classes + 3).repeat_interleave(10)
    assert float(right.double().mean()) >= 0.9
    others = answering.answer(features_of([f"other{n}-1" for n in range(40)]))
    assert float(others.probabilities.max()) < 0.995


def test_a_class_that_shares_photos_with_a_trained_one_does_not_open_the_door_to_everything(easy: Bundle) -> None:
    assert easy.threshold is not None
    known = Bank.empty(easy).known
    twin = known.logits[:, :1] - 0.5  # every photo of the first class is nearly as much one of the added class
    both = replace(
        known,
        names=(*known.names, "twin"),
        embeddings=torch.cat([known.embeddings, known.embeddings[:1]]),
        labels=torch.cat([known.labels, torch.tensor([3])]),
        logits=torch.cat([torch.cat([known.logits, twin], 1), torch.zeros(1, 4)]),
        held_out=torch.cat([known.held_out, torch.tensor([False])]),
    )
    lowered = threshold_beside(easy.threshold, both, 3)
    assert lowered is not None
    odds, before = lowered / (1 - lowered), easy.threshold / (1 - easy.threshold)
    assert odds == pytest.approx(before * 2 / 3 / 4)  # a quarter of what one more class like the three leaves
    assert lowered > 0.85


def test_it_is_never_raised_and_removing_brings_it_back(easy: Bundle, beside: Bank) -> None:
    assert easy.threshold is not None
    first = fitter_for(easy)(Bank.empty(easy), added("rust"), "").bank
    second = fitter_for(easy)(first, added("dent"), "").bank
    for bank in (first, second, beside):
        threshold = Answering(easy, bank).threshold
        assert threshold is not None
        assert threshold <= easy.threshold
    assert Answering(easy, second.without("dent")).threshold == Answering(easy, first).threshold
    assert Answering(easy, first.without("rust")).threshold == easy.threshold


def test_where_nothing_is_unknown_nothing_becomes_so(easy: Bundle, beside: Bank) -> None:
    never = replace(easy, threshold=None)
    answers = Answering(never, beside).answer(features_of(["rust-9"]))
    assert not answers.abstained.any()


def test_answers_to_known_photos_are_those_of_classify(easy: Bundle, beside: Bank) -> None:
    support: Any = drawn_support(3, shots=12, noise=0.1)
    answering = Answering(easy, beside)
    known = answering.to_known_photos()
    torch.testing.assert_close(known.probabilities[:36], answering.answer(support.features).probabilities)
    photos = [photo for each in beside.classes for photo in each.photos]
    torch.testing.assert_close(known.probabilities[36:], answering.answer(features_of(photos)).probabilities)


def _sureness(bundle: Bundle, bank: Bank) -> torch.Tensor:
    """Highest probability of the trained classes' held-out photos."""
    known = bank.known
    rows = known.held_out & (known.labels < bank.n_trained)
    return torch.softmax(known.logits[rows].double(), 1).max(1).values
