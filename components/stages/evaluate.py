"""The stage evaluate: every head, and what answers with the added classes, measured once; nothing is chosen."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

from components.bank import Answering, ArrivalPhotos, Bank
from components.classifier import Bundle, load_candidates
from components.evaluate import (
    Query,
    answered,
    evaluate,
    metrics,
    summary,
    table,
    write_answers,
    write_answers_by_head,
    write_plots,
)
from components.files import write_json, write_text
from components.ingest import IngestSettings
from components.ldc import Pair
from components.stages.classifier import read_support
from components.stages.reporter import Reporter
from components.stages.rows import read_rows
from components.stages.tables import read_table
from components.threads import one_thread
from components.workspace import Workspace

__all__ = ["photo_paths", "run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Write figures, the answer to each photo, plots and a table for people to `reports/`."""
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
            Query(query.features, query.labels, tuple(query.image_ids)) if query.image_ids else None,
            ldc_pairs=_ldc_pairs(workspace, bundle),
        )
    paths = photo_paths(workspace)
    reports = workspace.reports
    write_json(reports / "metrics.json", metrics(evaluation, bundle, shots=ingest.shots, seed=ingest.seed))
    write_json(reports / "summary.json", summary(evaluation, bundle))
    write_answers(reports / "answers.csv", answered(evaluation, paths))
    write_answers_by_head(reports / "answers_by_head.csv", evaluation, paths)
    write_plots(evaluation, reports / "plots")
    write_text(reports / "report.txt", table(evaluation, bundle))
    return {"evidence": evaluation.evidence, "query": evaluation.n_query}


def photo_paths(workspace: Workspace) -> Callable[[str], str]:
    """What gives a photo's path, relative to the workspace, by its SHA-256: in `data/raw`, or among arrivals."""
    manifest = read_table(workspace.validated, "manifest")
    raw = workspace.raw.relative_to(workspace.root).as_posix()
    in_raw = dict(zip(manifest["id"].to_pylist(), manifest["path"].to_pylist(), strict=True))
    arrived = ArrivalPhotos(workspace.arrivals / "photos")

    def path_of(photo: str) -> str:
        if photo in in_raw:
            return f"{raw}/{in_raw[photo]}"
        return arrived.path(photo).relative_to(workspace.root).as_posix()

    return path_of


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
