"""The stage evaluate: every head, and the classifier with the added classes, are measured once; nothing is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from components.artefacts import (
    PhotoTables,
    PoolFacts,
    read_pairs,
    write_answers,
    write_answers_by_head,
    write_metrics,
)
from components.bank import Answering, ArrivalPhotos, Bank
from components.classifier import Bundle, load_candidates
from components.evaluate import answered, answered_by_head, evaluate, metrics, summary, table, write_plots
from components.evaluate.learning_curve import promise_of_more
from components.files import write_json, write_text
from components.ingest import IngestSettings
from components.stages.classifier import read_support
from components.stages.reporter import Reporter
from components.stages.rows import read_query, read_rows
from components.threads import one_thread
from components.workspace import Workspace

__all__ = ["photo_paths", "run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Write figures, the answer to each photo, plots and a table for people to `reports/`."""
    ingest = workspace.parameters.section("ingest", IngestSettings)
    candidates = load_candidates(workspace.models / "heads")
    query = read_query(workspace, reporter, heads=[candidate.head for candidate in candidates])
    support = read_rows(workspace, "support", reporter)
    bundle = Bundle.load(workspace.bundle)
    with one_thread():
        learnt_from = read_support(workspace, support)
        evaluation = evaluate(
            candidates,
            Answering(bundle, Bank.load(workspace.bank, bundle)),
            learnt_from,
            query,
            ldc_pairs=read_pairs(workspace.ldc, bundle.class_names),
        )
        promise = promise_of_more(learnt_from)
    paths = photo_paths(workspace)
    reports = workspace.reports
    pool = PoolFacts.read(workspace.features)
    write_metrics(
        reports, metrics(evaluation, bundle, shots=ingest.shots, seed=ingest.seed, pool=pool, promise=promise)
    )
    write_json(reports / "summary.json", summary(evaluation, bundle))
    write_answers(reports, answered(evaluation, paths))
    write_answers_by_head(reports, answered_by_head(evaluation, paths))
    write_plots(evaluation, reports / "plots")
    write_text(reports / "report.txt", table(evaluation, bundle, pool, promise))
    return {"evidence": evaluation.evidence, "query": evaluation.n_query}


def photo_paths(workspace: Workspace) -> Callable[[str], str]:
    """A function from a photo's SHA-256 to its path relative to the workspace: in `data/raw`, or among arrivals."""
    manifest = PhotoTables(workspace.validated).manifest(["id", "path"])
    raw = workspace.raw.relative_to(workspace.root).as_posix()
    in_raw = dict(zip(manifest["id"].to_pylist(), manifest["path"].to_pylist(), strict=True))
    arrived = ArrivalPhotos(workspace.arrivals / "photos")

    def path_of(photo: str) -> str:
        if photo in in_raw:
            return f"{raw}/{in_raw[photo]}"
        return arrived.path(photo).relative_to(workspace.root).as_posix()

    return path_of
