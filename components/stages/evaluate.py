"""The stage evaluate: every head, and what answers with the added classes, measured once; nothing is chosen."""

from __future__ import annotations

import csv
from typing import Any

from components.bank import Answering, Bank
from components.classifier import Bundle, load_candidates
from components.evaluate import Query, evaluate, metrics, table, write_plots
from components.files import write_json, write_text
from components.ingest import IngestSettings
from components.ldc import Pair
from components.stages.classifier import read_support
from components.stages.reporter import Reporter
from components.stages.rows import read_rows
from components.threads import one_thread
from components.workspace import Workspace

__all__ = ["run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Write `reports/metrics.json`, `reports/plots` and the table `reports/report.txt`."""
    ingest = workspace.parameters.section("ingest", IngestSettings)
    candidates = load_candidates(workspace.models / "heads")
    query = read_rows(workspace, ["query"], reporter, heads=[candidate.head for candidate in candidates])
    support = read_rows(workspace, ["support"], reporter)
    bundle = Bundle.load(workspace.bundle)
    with one_thread():
        evaluation = evaluate(
            candidates,
            Answering(bundle, Bank.load(workspace.bank, bundle)),
            read_support(workspace, support),
            Query(query.features, query.labels) if query.image_ids else None,
            ldc_pairs=_ldc_pairs(workspace, bundle),
        )
    write_json(workspace.reports / "metrics.json", metrics(evaluation, bundle, shots=ingest.shots, seed=ingest.seed))
    write_plots(evaluation, workspace.reports / "plots")
    write_text(workspace.reports / "report.txt", table(evaluation, bundle))
    return {"evidence": evaluation.evidence, "query": evaluation.n_query}


def _ldc_pairs(workspace: Workspace, bundle: Bundle) -> list[Pair]:
    """What the stage ldc wrote of the pairs that LDC parts and leaves, out of fold."""
    place = {name: number for number, name in enumerate(bundle.class_names)}
    with (workspace.ldc / "deconfused.csv").open(newline="", encoding="utf-8") as file:
        return [
            Pair(
                place[row["class"]],
                place[row["taken_for"]],
                *(float(row[name]) for name in ("before", "after", "moved")),
            )
            for row in csv.DictReader(file)
        ]
