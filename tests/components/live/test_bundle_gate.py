import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
import torch

from components.bank import AddedClass, Bank
from components.classifier import Bundle
from components.errors import RefusedByGateError
from components.live import GateSettings, judge_bundle
from tests.support.drawn_rows import drawn_support
from tests.support.live_place import fitter_for
from tests.support.saved_bundle import drawn_bundle


def answering(bundle: Bundle, answers: Mapping[int, list[int | None]]) -> tuple[Bundle, Bank]:
    """The bundle with these classes answered for the held-out photos of a class; None: not held out. Others are right."""
    labels = bundle.support.labels
    answered: list[int | None] = labels.tolist()
    for label, wanted in answers.items():
        for row, answer in zip((labels == label).nonzero().flatten().tolist(), wanted, strict=True):
            answered[row] = answer
    logits = torch.full_like(bundle.support.out_of_fold, torch.nan)
    for row, answer in enumerate(answered):
        if answer is not None:
            logits[row] = torch.nn.functional.one_hot(torch.tensor(answer), logits.shape[1])
    # These logits say nothing of how sure it is, so nothing is unknown.
    support = dataclasses.replace(bundle.support, out_of_fold=logits)
    found = dataclasses.replace(bundle, support=support, threshold=None)
    return found, Bank.empty(found)


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return drawn_bundle(drawn_support(shots=4), ["gda"])[0]


def test_what_loses_nothing_passes(bundle: Bundle) -> None:
    same = answering(bundle, {0: [1, 0, 0, 0]})
    verdict = judge_bundle(same, same, GateSettings())
    assert (verdict.n_photos, verdict.right_before, verdict.right_after) == (20, 0.95, 0.95)
    assert "95.0 % were found before and 95.0 % are now" in verdict.told
    verdict.require()


def test_what_loses_photos_of_several_classes_is_refused_with_the_figure(bundle: Bundle) -> None:
    worse = answering(bundle, {label: [label, label, 4, 4] for label in range(3)})
    verdict = judge_bundle(answering(bundle, {}), worse, GateSettings())
    with pytest.raises(RefusedByGateError, match=r"would lose 30.0 % .* at most 2.0 % may be lost"):
        verdict.require()
    assert judge_bundle(worse, answering(bundle, {}), GateSettings()).refusals == ()


def test_a_difference_within_its_standard_error_is_none(bundle: Bundle) -> None:
    once = answering(bundle, {0: [1, 0, 0, 0]})
    assert judge_bundle(answering(bundle, {}), once, GateSettings(most_drop_bundle=0.0)).refusals == ()
    elsewhere = answering(bundle, {1: [0, 1, 1, 1]})  # one lost, one won
    assert judge_bundle(once, elsewhere, GateSettings(most_drop_bundle=0.0)).refusals == ()


def test_a_class_that_is_no_longer_found_is_refused_by_name(bundle: Bundle) -> None:
    lost = answering(bundle, {2: [4, 4, 4, 4]})
    lenient = GateSettings(most_drop_bundle=1.0)
    assert judge_bundle(answering(bundle, {}), lost, lenient).refusals == (
        "4 of the 4 photos of cls_02 would no longer be found",
    )
    assert (
        judge_bundle(answering(bundle, {}), lost, GateSettings(most_drop_bundle=1.0, most_drop_class=1.0)).refusals
        == ()
    )


def test_only_photos_that_both_held_out_count(bundle: Bundle) -> None:
    old = answering(bundle, {0: [None, None, 0, 0]})
    new = answering(bundle, {0: [4, 4, 0, 0], 1: [None, 1, 1, 1]})
    verdict = judge_bundle(old, new, GateSettings())
    assert (verdict.n_photos, verdict.right_after, verdict.refusals) == (17, 1.0, ())
    none = answering(bundle, {label: [None] * 4 for label in range(5)})
    verdict = judge_bundle(none, new, GateSettings())
    assert (verdict.n_photos, verdict.refusals) == (0, ())
    assert "could not be compared" in verdict.told


def test_a_class_of_many_photos_does_not_hide_what_many_with_few_lose() -> None:
    uneven = drawn_bundle(drawn_support(shots=[20, 4, 4, 4, 4]), ["gda"])[0]
    before = answering(uneven, {0: [1] * 10 + [0] * 10})
    after = answering(uneven, {label: [label, label, label, 0] for label in range(1, 5)})  # 10 photos won, 4 lost

    verdict = judge_bundle(before, after, GateSettings())

    assert verdict.n_photos == 36
    assert verdict.right_before == pytest.approx((0.5 + 4) / 5)
    assert verdict.right_after == pytest.approx((1 + 4 * 0.75) / 5)
    even = answering(uneven, {0: [0] * 10 + [1] * 10, **{label: [label] * 4 for label in range(1, 5)}})
    verdict = judge_bundle(even, answering(uneven, {label: [label, 0, 0, 0] for label in range(1, 5)}), GateSettings())
    assert "would lose 50.0 %" in verdict.refusals[0]  # by photos 2 of 36


def test_photos_that_were_relabelled_or_belong_to_one_of_them_do_not_count(bundle: Bundle) -> None:
    other = answering(drawn_bundle(drawn_support(shots=4), ["gda"], ["renamed"])[0], {})
    verdict = judge_bundle(answering(bundle, {}), other, GateSettings())
    assert verdict.n_photos == 16
    swapped = {**bundle.split, "cls_03": bundle.split["cls_04"], "cls_04": bundle.split["cls_03"]}
    verdict = judge_bundle(
        answering(bundle, {}), answering(dataclasses.replace(bundle, split=swapped), {}), GateSettings()
    )
    assert verdict.n_photos == 12


def test_an_added_class_is_compared_with_the_trained_one_that_it_becomes(bundle: Bundle) -> None:
    photos = tuple(f"rust-{number}" for number in range(4))
    before: Any = (bundle, fitter_for(bundle)(Bank.empty(bundle), [AddedClass("rust", photos, "t", 1)], "").bank)
    trained = drawn_bundle(drawn_support(6, shots=4), ["gda"], ["rust"])[0]
    lost = answering(trained, {5: [0, 0, 0, 0]})

    verdict = judge_bundle(before, lost, GateSettings(most_drop_bundle=1.0))
    assert verdict.n_photos == 24
    assert verdict.refusals == ("4 of the 4 photos of rust would no longer be found",)


def test_a_photo_that_becomes_unknown_is_lost(bundle: Bundle) -> None:
    before, bank = answering(bundle, {})
    after = dataclasses.replace(before, threshold=0.999)
    verdict = judge_bundle((before, bank), (after, Bank.empty(after)), GateSettings())
    assert (verdict.right_before, verdict.right_after) == (1.0, 0.0)
    assert verdict.refusals
