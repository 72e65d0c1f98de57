"""What a training says of the classifier that it puts in the place of another."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from components.live.bundle_gate import BundleVerdict
from components.report import compare
from flows.pipeline import told_of_bundle
from tests.support.drawn_answers import answers, spoilt

NAMES = ("what was live", "what is live now")


def change(verdict: BundleVerdict) -> Any:
    before, after = SimpleNamespace(name="old", bundle="a"), SimpleNamespace(name="new", bundle="b")
    return SimpleNamespace(bundle_verdict=verdict, version=after, before=before)


def test_the_same_photos_say_more_than_those_that_both_held_out() -> None:
    rows = answers(200, 0.95, 0)
    refused = BundleVerdict(12, 0.9, 0.0, ("the classes would lose 100 % of their photos",))
    told = told_of_bundle(change(refused), compare(rows, rows, names=NAMES))
    assert told[0].startswith("of the same 200 photos what was live answers")
    assert not [line for line in told if line.startswith("beware")]
    assert told[-1] == "back: shotline rollback old"


def test_a_class_that_got_worse_is_named() -> None:
    rows = answers(200, 0.95, 0)
    told = told_of_bundle(
        change(BundleVerdict(0, math.nan, math.nan, ())), compare(rows, spoilt(rows, "b"), names=NAMES)
    )
    assert "beware: b is found less often than by what was live" in told


def test_other_photos_and_classes_leave_nothing_to_compare() -> None:
    told = told_of_bundle(change(BundleVerdict(0, math.nan, math.nan, ())), compare([], [], names=NAMES))
    assert told[0] == "it was made of other photos or classes, so there is nothing to compare it on"
    assert not [line for line in told if line.startswith("beware")]
