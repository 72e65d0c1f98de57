"""One rule from features to an answer, whatever was added."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from components.bank import AddedClass, Answering, Bank
from components.classifier import Bundle
from tests.components.bank.conftest import features_of
from tests.components.classifier.saved import drawn_bundle
from tests.components.heads.drawn import drawn_support
from tests.components.live.place import fitter_for

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
    probabilities, abstained = bundle.predict(photos)
    assert torch.equal(answers.probabilities, probabilities)
    assert torch.equal(answers.abstained, abstained)
    assert Answering.of(bundle).threshold == bundle.threshold


def test_known_photos_go_on_being_answered_when_classes_are_added_to_an_easy_set(easy: Bundle, beside: Bank) -> None:
    support: Any = drawn_support(3, shots=12, noise=0.1)
    before, after = Answering.of(easy), Answering(easy, beside)
    assert before.answer(support.features).classes.tolist() == support.labels.tolist()
    answers = after.answer(support.features)
    assert int(answers.abstained.sum()) <= 2
    assert easy.threshold is not None
    by_the_old_one = answers.probabilities.max(1).values < easy.threshold
    assert int(by_the_old_one.sum()) > 6


def test_as_many_held_out_photos_are_unknown_as_before(easy: Bundle, beside: Bank) -> None:
    strict = replace(easy, threshold=float(_sureness(easy, Bank.empty(easy)).median()))
    n_before = int((_sureness(easy, Bank.empty(easy)) < strict.threshold).sum())
    threshold = Answering(strict, beside).threshold
    assert threshold is not None
    assert int((_sureness(easy, beside) < threshold).sum()) <= n_before


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
