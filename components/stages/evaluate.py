"""The stage evaluate: every head, and what answers with the added classes, measured once; nothing is chosen."""

from __future__ import annotations

from typing import Any

from components.artefacts import PoolFacts, read_pairs, write_metrics
from components.bank import Answering, Bank
from components.classifier import Bundle, load_candidates
from components.evaluate import evaluate, metrics, table, write_plots
from components.files import write_text
from components.ingest import IngestSettings
from components.stages.classifier import read_support
from components.stages.reporter import Reporter
from components.stages.rows import read_query, read_rows
from components.threads import one_thread
from components.workspace import Workspace

__all__ = ["run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Write `reports/metrics.json`, `reports/plots` and the table `reports/report.txt`."""
    ingest = workspace.parameters.section("ingest", IngestSettings)
    candidates = load_candidates(workspace.models / "heads")
    query = read_query(workspace, reporter, heads=[candidate.head for candidate in candidates])
    support = read_rows(workspace, "support", reporter)
    bundle = Bundle.load(workspace.bundle)
    with one_thread():
        evaluation = evaluate(
            candidates,
            Answering(bundle, Bank.load(workspace.bank, bundle)),
            read_support(workspace, support),
            query,
            ldc_pairs=read_pairs(workspace.ldc, bundle.class_names),
        )
    pool = PoolFacts.read(workspace.features)
    write_metrics(workspace.reports, metrics(evaluation, bundle, shots=ingest.shots, seed=ingest.seed, pool=pool))
    write_plots(evaluation, workspace.reports / "plots")
    write_text(workspace.reports / "report.txt", table(evaluation, bundle, pool))
    return {"evidence": evaluation.evidence, "query": evaluation.n_query}
