"""The model card says what really happened: photos, choice, figures of this very bundle, limits, licences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.bank import Bank
from components.export.card import card_of, model_card
from tests.support.drawn_bank import with_rust
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle

FIGURES: dict[str, Any] = {
    "evidence": "query",
    "data": {"classes": 5, "support": 20, "query": 77},
    "heads": {"gda": {"top1": 0.9, "top5": 1.0, "balanced": 0.88, "ece": 0.031}},
    "shipped": {"head": "gda"},
    "confused": [{"class": "cls_00", "taken_for": "cls_01", "before": 0.5, "after": 0.25}],
}


def bundle_of(names: tuple[str, ...] = ()) -> Any:
    bundle = drawn_bundle(drawn_support(shots=4), ["gda"], names)[0]
    bundle.backbone.update({"precision": "fp32", "preprocessing": {"size": [64, 64]}})
    return bundle


def test_it_tells_classes_figures_and_their_evidence() -> None:
    bundle = bundle_of(("a|b_c",))

    card = model_card(bundle, with_rust(bundle), FIGURES, "Ask.")

    assert "| rust | added, 2026-01-01 | 3 |" in card
    assert r"| a\|b\_c (kind 4 キズ) | trained | 4 |" in card
    assert "once on 77 query photos" in card
    assert "before the classes that were added after it" in card
    assert "| gda (this one) | 90.0 % | 100.0 % | 88.0 % | 0.031 |" in card
    assert r"cls\_00 for cls\_01 (25.0 %)" in card
    assert bundle.why in card
    assert card == model_card(bundle, with_rust(bundle), FIGURES, "Ask.")


def test_figures_without_query_photos_say_so() -> None:
    bundle = bundle_of()

    card = model_card(bundle, Bank.empty(bundle), {**FIGURES, "evidence": "out_of_fold"}, "Ask.")

    assert "out of fold on the 20 support photos" in card
    assert "No class was added since" in card


def test_figures_of_another_bundle_are_left_out_and_licences_come_from_the_weights_own_card(tmp_path: Path) -> None:
    bundle = bundle_of()
    card = card_of(bundle, Bank.empty(bundle), tmp_path, FIGURES)
    assert "None are at hand" in card
    assert "does not know" in card

    bundle.save(tmp_path / "bundle")
    (tmp_path / "drawn").mkdir()
    (tmp_path / "drawn/README.md").write_text(
        "# Drawn\n\n## Data and licences\n\nFree of all terms.\n\n## Figures\n\nno\n"
    )
    card = card_of(bundle, Bank.empty(bundle), tmp_path, FIGURES)
    assert "77 query photos" in card
    assert card.rstrip().endswith("Free of all terms.")
