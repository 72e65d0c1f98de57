"""What an evaluation looks like: `metrics.json`, plots for DVC, and a table for people."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from components.classifier import Bundle, reliability
from components.evaluate.evaluation import Evaluation
from components.evaluate.metrics import coverage_curve
from components.files import write_text

__all__ = ["metrics", "table", "write_plots"]

_WIDTH = 100
_BEFORE = {"ldc_start": "what LDC started from"}


def metrics(evaluation: Evaluation, bundle: Bundle, *, shots: int, seed: int) -> dict[str, Any]:
    """The content of `reports/metrics.json`, version 1.

    Args:
        evaluation: what was measured.
        bundle: what is shipped.
        shots: photos a class that were asked for.
        seed: that they were drawn with.
    """
    shipped = evaluation.heads.get(evaluation.shipped)
    return {
        "version": 1,
        "shots": shots,
        "seed": seed,
        "backbone": bundle.backbone.get("name"),
        "data": {
            "classes": len(bundle.class_names),
            "support": len(bundle.support.labels),
            "query": evaluation.n_query,
        },
        "evidence": evaluation.evidence,
        "heads": {name: asdict(figures) for name, figures in evaluation.heads.items()},
        "shipped": {
            "head": evaluation.shipped,
            "top1": None if shipped is None else shipped.top1,
            "ece": None if shipped is None else shipped.ece,
            "why": bundle.why,
        },
        "confused": [
            {
                "class": bundle.class_names[pair.label],
                "taken_for": bundle.class_names[pair.taken_for],
                "before": pair.before,
                "after": pair.after,
            }
            for pair in evaluation.confused
        ],
    }


def write_plots(evaluation: Evaluation, bundle: Bundle, folder: Path) -> None:
    """Write `confusion.csv`, `reliability.csv`, `coverage.csv` and `heads.csv`, as `dvc plots` reads them."""
    names = bundle.class_names
    answers = evaluation.probabilities.argmax(1).tolist() if len(evaluation.labels) else []
    _write_csv(
        folder / "confusion.csv",
        ("actual", "predicted"),
        [(names[label], names[answer]) for label, answer in zip(evaluation.labels.tolist(), answers, strict=True)],
    )
    bins = reliability(evaluation.probabilities, evaluation.labels) if len(evaluation.labels) else None
    _write_csv(
        folder / "reliability.csv",
        ("confidence", "accuracy", "photos"),
        [row for row in zip(bins.confidence, bins.accuracy, bins.count, strict=True) if row[2]] if bins else [],
    )
    _write_csv(
        folder / "coverage.csv",
        ("coverage", "accuracy"),
        coverage_curve(evaluation.probabilities, evaluation.labels) if len(evaluation.labels) else [],
    )
    _write_csv(
        folder / "heads.csv",
        ("head", "top1", "balanced", "ece", "nll"),
        [(name, each.top1, each.balanced, each.ece, each.nll) for name, each in evaluation.heads.items()],
    )


def table(evaluation: Evaluation, bundle: Bundle) -> str:
    """The heads side by side, what is shipped and why, what it still confuses; plain text, 100 columns."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=_WIDTH, color_system=None, force_terminal=False, legacy_windows=False)
    where = (
        f"{evaluation.n_query} query photos"
        if evaluation.evidence == "query"
        else "support photos, each by heads that had not seen it (held-out folds)"
    )
    if evaluation.heads:
        console.print(_heads_table(evaluation, where))
    else:
        console.print("There is no query split and one photo a class: nothing could be measured.")
    console.print(f"\nShipped: {evaluation.shipped}. {bundle.why}.", highlight=False, markup=False)
    if evaluation.heads and bundle.threshold is not None:
        answered = ~evaluation.abstained
        right = evaluation.probabilities.argmax(1) == evaluation.labels
        share = float(right[answered].double().mean()) if answered.any() else 0.0
        console.print(
            f"Under {100 * bundle.threshold:.0f} % it abstains: {100 * float(answered.double().mean()):.1f} % of "
            f"the photos are answered, {100 * share:.1f} % of those rightly.",
            highlight=False,
            markup=False,
        )
    if evaluation.confused:
        before = _BEFORE.get(evaluation.before, evaluation.before)
        console.print(
            f"\nTaken for another most often (share of the class's photos, by {before} -> by {evaluation.shipped}):",
            highlight=False,
            markup=False,
        )
        for pair in evaluation.confused[:5]:
            label, taken_for = bundle.display_names[pair.label], bundle.display_names[pair.taken_for]
            console.print(
                f"  {label} for {taken_for}: {100 * pair.before:.0f} % -> {100 * pair.after:.0f} %",
                highlight=False,
                markup=False,
            )
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _heads_table(evaluation: Evaluation, where: str) -> Table:
    rows = Table(title=f"On {where}", title_justify="left", box=box.SIMPLE_HEAD)
    rows.add_column("head")
    for column in ("top-1 %", "top-5 %", "balanced %", "log-loss", "ECE %", "ECE raw %"):
        rows.add_column(column, justify="right")
    for name, each in sorted(evaluation.heads.items(), key=lambda item: -item[1].top1):
        rows.add_row(
            f"{name} *" if name == evaluation.shipped else name,
            f"{100 * each.top1:.1f}",
            f"{100 * each.top5:.1f}",
            f"{100 * each.balanced:.1f}",
            f"{each.nll:.3f}",
            f"{100 * each.ece:.1f}",
            f"{100 * evaluation.uncalibrated_ece[name]:.1f}",
        )
    rows.caption = "* shipped; probabilities at each head's own temperature"
    rows.caption_justify = "left"
    return rows


def _write_csv(path: Path, header: tuple[str, ...], rows: list[Any]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, buffer.getvalue())
