import dataclasses
import math
from typing import Any

import pytest
import torch

from components.bank import AddedClass, Answering, Bank, ColumnFitter
from components.errors import RefusedByGateError
from components.liteembed import LiteEmbedSettings
from components.live import GateSettings, KnownChange, compare_known, judge
from tests.conftest import FakeBackbone
from tests.support.drawn_bank import features_of
from tests.support.drawn_rows import drawn_support
from tests.support.live_place import fitter_for
from tests.support.saved_bundle import drawn_bundle

NO_CHANGE = KnownChange(n_photos=20, changed=0, become_unknown=0, drop=0.0)


@pytest.fixture(scope="module")
def arrived() -> tuple[Any, Any, Any]:
    """Known classes, an arrival of one class that is easily told, and what it came to."""
    bundle = drawn_bundle(drawn_support(shots=4), ["gda"])[0]
    backbone: Any = FakeBackbone()
    fitter = ColumnFitter(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)
    fitted = fitter(Bank.empty(bundle), [AddedClass("rust", tuple(f"rust-{n}" for n in range(5)), "t", 1)], "")
    return fitted.before.known, fitted.new, fitted.addition


def with_evidence(addition: Any, **figures: float) -> Any:
    evidence = dataclasses.replace(addition.evidence[addition.form], **figures)
    return dataclasses.replace(addition, evidence={**addition.evidence, addition.form: evidence})


def test_what_does_no_harm_passes(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    verdict = judge(known, new, with_evidence(addition, base_drop=0.0), NO_CHANGE, GateSettings())
    assert verdict.refusals == ()
    assert verdict.recall == {"rust": 1.0}
    verdict.require()


def test_what_takes_too_many_known_photos_is_refused_with_the_figure(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    verdict = judge(known, new, with_evidence(addition, base_drop=0.2), NO_CHANGE, GateSettings())
    with pytest.raises(RefusedByGateError, match=r"would lose 20.0 % .* may take 2.0 %"):
        verdict.require()


def test_one_known_photo_alone_is_no_evidence(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    one = 1 / int(known.held_out.sum())
    assert one > GateSettings().most_drop_one
    assert judge(known, new, with_evidence(addition, base_drop=one), NO_CHANGE, GateSettings()).refusals == ()
    assert judge(known, new, with_evidence(addition, base_drop=2 * one), NO_CHANGE, GateSettings()).refusals


def test_many_classes_may_take_more_than_one() -> None:
    bundle = drawn_bundle(drawn_support(shots=4), ["gda"])[0]
    backbone: Any = FakeBackbone()
    allowed = []
    for n_classes in (1, 3, 5, 8):
        fitter = ColumnFitter(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)
        classes = [AddedClass(f"kind{n}", (f"kind{n}-1", f"kind{n}-2"), "t", n + 1) for n in range(n_classes)]
        fitted = fitter(Bank.empty(bundle), classes, "")
        allowed.append(
            judge(fitted.before.known, fitted.new, fitted.addition, NO_CHANGE, GateSettings()).most_base_drop
        )
    assert allowed == pytest.approx([0.02, 0.04, 0.06, 0.06])


def test_photos_of_a_known_class_under_a_new_name_are_told(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    towards = torch.zeros_like(new.known_logits)
    towards[:, 3] = 1000.0
    same = dataclasses.replace(new, known_logits=towards)
    verdict = judge(known, same, with_evidence(addition, base_drop=0.0), NO_CHANGE, GateSettings())
    assert verdict.refusals == (f"100 % of the photos of rust are taken for {known.names[3]}",)


def test_a_class_that_is_not_found_again_is_refused(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    lost = dataclasses.replace(addition, classes=(dataclasses.replace(addition.classes[0], recall=0.2),))
    verdict = judge(known, new, with_evidence(lost, base_drop=0.0), NO_CHANGE, GateSettings())
    assert verdict.refusals == (
        "only 20 % of the photos of rust are found when they are left out; at least 25 % must be",
    )


def test_one_photo_leaves_nothing_to_leave_out() -> None:
    bundle = drawn_bundle(drawn_support(shots=4), ["gda"])[0]
    backbone: Any = FakeBackbone()
    fitter = ColumnFitter(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)
    fitted = fitter(Bank.empty(bundle), [AddedClass("rust", ("rust-1",), "t", 1)], "")
    known, new, addition = fitted.before.known, fitted.new, fitted.addition
    verdict = judge(known, new, with_evidence(addition, base_drop=0.0), NO_CHANGE, GateSettings())
    assert math.isnan(verdict.recall["rust"])
    assert verdict.refusals == ()


def test_a_known_photo_that_becomes_unknown_is_lost(arrived: tuple[Any, Any, Any]) -> None:
    change = KnownChange(n_photos=20, changed=12, become_unknown=12, drop=0.6)
    verdict = judge(*arrived, change, GateSettings())
    assert (verdict.base_drop, verdict.change) == (0.6, change)
    assert "known classes would lose 60.0 %" in verdict.refusals[0]
    assert verdict.told == (
        "of the 20 photos of the known classes 12 are answered otherwise now (12 of them unknown); "
        "the known classes lose 60.0 % of their photos"
    )


@pytest.mark.parametrize("threshold", [None, 0.9, 0.99999999])
def test_what_the_gate_counts_is_what_classify_shows(threshold: float | None) -> None:
    easy = drawn_support(3, shots=12, noise=0.05)
    bundle = dataclasses.replace(drawn_bundle(easy, ["gda"])[0], threshold=threshold)
    before = Bank.empty(bundle)
    added = [AddedClass(name, tuple(f"{name}-{n}" for n in range(3)), "t", 1) for name in ("rust", "dent", "crack")]
    after = fitter_for(bundle)(before, added, "").bank

    change = compare_known(Answering(bundle, before), Answering(bundle, after))

    was, now = (Answering(bundle, bank).answer(easy.features).classes for bank in (before, after))
    assert (change.n_photos, change.changed) == (36, int((was != now).sum()))
    assert change.become_unknown == int(((was != now) & (now < 0)).sum())
    assert change.drop >= float((was == easy.labels).double().mean() - (now == easy.labels).double().mean()) - 1e-9


def test_known_photos_of_an_earlier_arrival_count_too() -> None:
    bundle = drawn_bundle(drawn_support(3, shots=6, noise=0.05), ["gda"])[0]
    fitter = fitter_for(bundle)
    first = fitter(Bank.empty(bundle), [AddedClass("rust", ("rust-1", "rust-2", "rust-3"), "t", 1)], "").bank
    second = fitter(first, [AddedClass("dent", ("dent-1", "dent-2", "dent-3"), "t", 2)], "").bank
    change = compare_known(Answering(bundle, first), Answering(bundle, second))
    assert change.n_photos == 18 + 3

    served = [Answering(bundle, bank).answer(features_of(["rust-1", "rust-2", "rust-3"])) for bank in (first, second)]
    for answering, answers in zip((Answering(bundle, first), Answering(bundle, second)), served, strict=True):
        torch.testing.assert_close(answering.to_known_photos().probabilities[18:21], answers.probabilities)


def test_an_offset_keeps_to_a_part_of_what_the_gate_allows() -> None:
    default = GateSettings().most_drop
    assert (default.planned().one, default.planned().many) == (0.015, 0.03)
    strict = GateSettings(most_drop_one=0.001, most_drop_many=0.002).most_drop
    for n_new in (1, 4, 20, 50):
        assert strict.planned().allowed(n_new, 20) < strict.allowed(n_new, 20) < default.planned().allowed(n_new, 20)


def test_a_stricter_gate_lowers_the_offset_of_an_added_class() -> None:
    bundle = drawn_bundle(drawn_support(shots=4), ["gda"])[0]
    loose, strict = (
        dataclasses.replace(
            fitter_for(bundle), settings=LiteEmbedSettings(forms=("embedding",)), most_drop=gate.most_drop
        )
        for gate in (GateSettings(most_drop_one=1.0, most_drop_many=1.0), GateSettings(most_drop_one=0.0))
    )
    photos = tuple(f"rust-{n}" for n in range(5))
    offsets = [
        fitter(Bank.empty(bundle), [AddedClass("rust", photos, "t", 1)], "").bank.columns.offsets
        for fitter in (loose, strict)
    ]
    assert float(offsets[1]) < float(offsets[0])
