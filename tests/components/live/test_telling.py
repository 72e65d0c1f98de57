"""What came of an arrival, in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from components.live.outcome import Outcome
from components.live.telling import explain_outcome


def test_photos_that_fit_least_are_called_what_they_were_called() -> None:
    version = SimpleNamespace(name="abc")
    change: Any = SimpleNamespace(waiting=(), version=version, before=version, verdict=None)
    misfits = [{"photo": place, "taken_for": "dent"} for place in (0, 1)]
    banked = SimpleNamespace(
        name="rust",
        photos=("f" * 64, "0" * 64),
        form="embedding",
        recall=0.5,
        name_means_something=True,
        explanation={"words": [], "neighbours": [], "misfits": misfits},
    )

    told = explain_outcome(Outcome(change, (), (banked,), {"0" * 64: "inbox/rust/new.jpg"}))

    assert "fits least: inbox/rust/new.jpg, taken for dent" in told
    assert f"fits least: an earlier photo, {'f' * 12}, taken for dent" in told
