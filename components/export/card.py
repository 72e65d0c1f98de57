"""The model card: what a classifier was made from, what was measured, and its limits, all from its own records."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from components.bank import Answering, Bank
from components.bank.class_rows import class_rows
from components.classifier import Bundle, saved_version
from components.files import write_text
from components.live import version_name

__all__ = ["CARD", "card_of", "model_card", "write_card"]

CARD = "MODEL_CARD.md"
_MADE_BY = "made by Shotline"  # in the first sentence of a card
_CONFUSED = 5
_EVIDENCE = {
    "out_of_fold": "held-out folds of the support photos",
    "validation": "validation photos",
    "prior": "nothing: with one photo per class there are no folds, and prior knowledge of the heads decided",
}


def model_card(bundle: Bundle, bank: Bank, figures: dict[str, Any] | None, licence: str) -> str:
    """The card as Markdown; the same classifier and figures give the same text.

    Args:
        bundle: the classifier.
        bank: the classes added beside it.
        figures: the measurements of this bundle (`reports/metrics.json`); None if it was not measured.
        licence: sentences about the licence of the backbone's weights.
    """
    pages = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, autoescape=False, trim_blocks=False
    )
    pages.filters |= {"percent": lambda share: f"{100 * share:.1f} %", "cell": _cell}
    words = (*bundle.display_names, *bank.names)
    rows = [{**row, "words": name} for row, name in zip(class_rows(bundle, bank), words, strict=True)]
    n_trained = len(bundle.class_names)
    size = bundle.backbone["preprocessing"].get("size", "unknown")
    text = pages.get_template("card.md").render(
        title=f"{rows[0]['class']}, {rows[1]['class']} and more" if len(rows) > 1 else rows[0]["class"],
        bank=version_name(bank),
        threshold=Answering.of(bundle, bank).threshold,
        classes=rows,
        added=bank.classes,
        n_trained=n_trained,
        n_photos=sum(row["photos"] for row in rows[:n_trained]),
        fewest=min(row["photos"] for row in rows),
        most=max(row["photos"] for row in rows),
        shots=bundle.provenance.get("shots"),
        seed=bundle.provenance.get("seed"),
        head=bundle.head.state().name,
        why=bundle.why,
        evidence_words=_EVIDENCE.get(bundle.evidence, bundle.evidence),
        temperature=bundle.temperature,
        backbone=bundle.backbone,
        size=" x ".join(map(str, size)) if isinstance(size, list) else size,
        figures=figures,
        figures_are_older=figures is not None and figures["data"]["classes"] < len(rows),
        confused=[pair for pair in (figures or {}).get("confused", []) if pair["after"] > 0][:_CONFUSED],
        licence=licence,
    )
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def card_of(bundle: Bundle, bank: Bank, models: Path, metrics: dict[str, Any] | None) -> str:
    """The card of a classifier whose workspace has `models`.

    Args:
        bundle: the classifier.
        bank: the classes added beside it.
        models: the workspace's `models/`; the figures are used only if they were measured on the bundle that lies
            there.
        metrics: of the last training; None if nothing was measured.
    """
    measured = metrics if saved_version(models / "bundle") == bundle.version else None
    return model_card(bundle, bank, measured, _licence(bundle, models))


def write_card(path: Path, text: str) -> bool:
    """Write a card beside an export; whether it was written: a file of that name that is no card of ours stays as it is."""
    if path.is_file() and _MADE_BY not in path.read_text(encoding="utf-8", errors="replace"):
        return False
    write_text(path, text)
    return True


def _licence(bundle: Bundle, models: Path) -> str:
    """What the card beside the backbone's weights says of data and licences; without one, whom to ask."""
    name = bundle.backbone["name"]
    for folder in (models / "backbone", models / name, models / "checkpoints" / name):
        readme = folder / "README.md"
        if readme.is_file():
            section = re.search(r"(?ms)^## (?:Data and )?licences?.*?(?=^## |\Z)", readme.read_text("utf-8"), re.I)
            if section:
                told = section[0].split("\n", 1)[1].strip()
                return f"Of the backbone's weights its own card says:\n\n{told}"
    return (
        f"The backbone's weights (`{name}`) have the licence of their publisher, which Shotline does not know: look at "
        "where they come from before you pass this export on."
    )


def _cell(text: str) -> str:
    """The text escaped, so that it stays in its cell of a table and is not read as markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", " ".join(text.split()))
