"""`reports/report.html`: one file that says how good the classifier is, where it is wrong, and why it can be trusted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from components.files import write_text
from components.report.classes import class_rows
from components.report.confusion import Confusion, confusion_of, moved_by_ldc
from components.report.drawings import (
    draw_coverage,
    draw_map,
    draw_matrix,
    draw_moved,
    draw_reliability,
    draw_seconds,
)
from components.report.landscape import landscape
from components.report.page import render
from components.report.sources import Sources, read_sources
from components.report.thumbnails import Thumbnails
from components.report.trust import trust_of
from components.report.verdict import head_rows, head_words, in_words, verdict
from components.report.wrong import label_suspects, wrong_photos
from components.workspace import Workspace

__all__ = ["write_report"]

_PHOTO_BYTES = 7_500_000  # bytes of photos in a page of at most ten million
_WRONG = 90
_CLASS_BYTES = 3_000_000  # part of these for the rows of classes
_VERSIONS = 12


def write_report(workspace: Workspace) -> Path:
    """Write the report from the stages' outputs; returns its path.

    It includes times and live versions, so it is not a tracked output: the same training gives another page later.

    Raises:
        UserInputError: nothing has been measured yet, or what the stages wrote cannot be read.
    """
    path = workspace.reports / "report.html"
    write_text(path, render("report.html", **_content(read_sources(workspace))))
    return path


def _content(sources: Sources) -> dict[str, Any]:
    classes = class_rows(sources, n_examples=max(1, min(5, 1500 // max(1, len(sources.classes)))))
    wrong, n_wrong = wrong_photos(sources, most=_WRONG)
    trust = trust_of(sources)
    confusion = confusion_of(sources)
    moved = None if confusion is None else moved_by_ldc(sources, confusion.classes)
    place = landscape(sources)
    thumbnail = Thumbnails(sources.root, budget_bytes=_PHOTO_BYTES - _CLASS_BYTES)
    small = Thumbnails(sources.root, budget_bytes=_CLASS_BYTES, size_px=80 if len(classes) <= 200 else 48)
    return {
        "title": f"Report: {sources.root.name}",
        "metrics": sources.metrics,
        "shipped": head_words(sources.metrics["shipped"]["head"]),
        "why": in_words(sources.metrics["shipped"]["why"]),
        "bundle": sources.bundle,
        "on_query": sources.on_query,
        "verdict": verdict(sources, classes),
        "heads": head_rows(sources),
        "wrong": wrong,
        "n_wrong": n_wrong,
        "wrong_classes": sorted({each.actual for each in wrong} | {each.answer for each in wrong}),
        "suspects": label_suspects(sources),
        "confusion": confusion,
        "matrices": {} if confusion is None else _matrices(confusion),
        "moved": None if moved is None else draw_moved(moved),
        "classes": classes,
        "more_photos": sources.metrics.get("more_photos"),
        "trust": trust,
        "reliability": None if trust is None or not trust.after else draw_reliability(trust),
        "coverage": None if trust is None or not trust.coverage else draw_coverage(trust),
        "map": None if place is None else draw_map(*place),
        "added": [(each, _explained(each.explanation)) for each in sources.bank.classes],
        "versions": list(reversed(sources.versions))[:_VERSIONS],
        "n_versions": len(sources.versions),
        "live": sources.live,
        "stages": sources.timings,
        "seconds": _seconds(sources),
        "thumbnail": thumbnail,
        "small": small,
        "words": sources.words,
        "parameters": _repeat(sources),
    }


def _matrices(confusion: Confusion) -> dict[str, Any]:
    shown = list(confusion.heads)
    return {
        name: draw_matrix(name, confusion.classes, confusion.heads[name], labelled=name == shown[-1]) for name in shown
    }


def _explained(explanation: dict[str, Any]) -> dict[str, Any]:
    """An added class's words and most similar classes, from facts that every bank has."""
    return {
        "words": explanation.get("words", []),
        "neighbours": [each["name"] for each in explanation.get("neighbours", [])[:4]],
    }


def _seconds(sources: Sources) -> Any:
    stages = [(name, float(facts["seconds"])) for name, facts in sources.timings.items() if "seconds" in facts]
    order = {name: place for place, name in enumerate(_STAGES)}
    stages.sort(key=lambda stage: order.get(stage[0], len(order)))
    return draw_seconds(stages) if stages else None


_STAGES = ("ingest", "validate", "features", "ldc", "classifier", "liteembed", "evaluate", "package")


def _repeat(sources: Sources) -> dict[str, Any]:
    return {
        "shots": sources.metrics["shots"],
        "seed": sources.metrics["seed"],
        "backbone": sources.metrics["backbone"],
        "beside": sources.bundle["backbone"].get("beside"),
        "bundle": sources.answers[0].bank if sources.answers else "",
    }
