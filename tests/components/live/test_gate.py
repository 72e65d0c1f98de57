import dataclasses
import math
from typing import Any

import pytest
import torch

from components.bank import AddedClass, Arriver, Bank
from components.errors import RefusedByGateError
from components.liteembed import LiteEmbedSettings
from components.live import GateSettings, judge
from tests.components.bank.conftest import features_of
from tests.components.classifier.saved import drawn_bundle
from tests.components.heads.drawn import drawn_support
from tests.conftest import FakeBackbone


@pytest.fixture(scope="module")
def arrived() -> tuple[Any, Any, Any]:
    """Known classes, an arrival of one class that is easily told, and what it came to."""
    bundle = drawn_bundle(drawn_support(shots=4), ["gda"])[0]
    backbone: Any = FakeBackbone()
    arriver = Arriver(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)
    arriver(Bank.empty(bundle), [AddedClass("rust", tuple(f"rust-{n}" for n in range(5)), "t", 1)], "")
    assert arriver.last is not None
    return arriver.last


def with_evidence(addition: Any, **figures: float) -> Any:
    evidence = dataclasses.replace(addition.evidence[addition.form], **figures)
    return dataclasses.replace(addition, evidence={**addition.evidence, addition.form: evidence})


def test_what_does_no_harm_passes(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    verdict = judge(known, new, with_evidence(addition, base_drop=0.0), GateSettings())
    assert verdict.refusals == ()
    assert verdict.recall == {"rust": 1.0}
    verdict.require()


def test_what_takes_too_many_known_photos_is_refused_with_the_figure(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    verdict = judge(known, new, with_evidence(addition, base_drop=0.2), GateSettings())
    with pytest.raises(RefusedByGateError, match=r"would lose 20.0 % .* may take 2.0 %"):
        verdict.require()


def test_one_known_photo_alone_is_no_evidence(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    one = 1 / int(known.held_out.sum())
    assert one > GateSettings().most_drop_one
    assert judge(known, new, with_evidence(addition, base_drop=one), GateSettings()).refusals == ()
    assert judge(known, new, with_evidence(addition, base_drop=2 * one), GateSettings()).refusals


def test_many_classes_may_take_more_than_one() -> None:
    bundle = drawn_bundle(drawn_support(shots=4), ["gda"])[0]
    backbone: Any = FakeBackbone()
    allowed = []
    for n_classes in (1, 3, 5, 8):
        arriver = Arriver(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)
        classes = [AddedClass(f"kind{n}", (f"kind{n}-1", f"kind{n}-2"), "t", n + 1) for n in range(n_classes)]
        arriver(Bank.empty(bundle), classes, "")
        assert arriver.last is not None
        allowed.append(judge(*arriver.last, GateSettings()).most_base_drop)
    assert allowed == pytest.approx([0.02, 0.04, 0.06, 0.06])


def test_photos_of_a_known_class_under_a_new_name_are_told(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    towards = torch.zeros_like(new.known_logits)
    towards[:, 3] = 1000.0
    same = dataclasses.replace(new, known_logits=towards)
    verdict = judge(known, same, with_evidence(addition, base_drop=0.0), GateSettings())
    assert verdict.refusals == (f"100 % of the photos of rust are taken for {known.names[3]}",)


def test_a_class_that_is_not_found_again_is_refused(arrived: tuple[Any, Any, Any]) -> None:
    known, new, addition = arrived
    lost = dataclasses.replace(addition, classes=(dataclasses.replace(addition.classes[0], recall=0.2),))
    verdict = judge(known, new, with_evidence(lost, base_drop=0.0), GateSettings())
    assert verdict.refusals == (
        "only 20 % of the photos of rust are found when they are left out; at least 25 % must be",
    )


def test_one_photo_leaves_nothing_to_leave_out() -> None:
    bundle = drawn_bundle(drawn_support(shots=4), ["gda"])[0]
    backbone: Any = FakeBackbone()
    arriver = Arriver(bundle, backbone, features_of, LiteEmbedSettings(), lambda kind: None)
    arriver(Bank.empty(bundle), [AddedClass("rust", ("rust-1",), "t", 1)], "")
    assert arriver.last is not None
    known, new, addition = arriver.last
    verdict = judge(known, new, with_evidence(addition, base_drop=0.0), GateSettings())
    assert math.isnan(verdict.recall["rust"])
    assert verdict.refusals == ()
