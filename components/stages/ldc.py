"""The stage ldc: LDC trained on the support photos' cached features, with its choice within its own family."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from components.artefacts import BackboneFacts, PhotoTables, write_pairs
from components.classifier import Candidate, ClassifierSettings, save_candidates
from components.files import write_text
from components.ldc import FitProgress, LdcFit, LdcHead, LdcSettings, fit_ldc
from components.stages.classifier import read_support
from components.stages.reporter import Reporter
from components.stages.rows import read_pool, read_rows
from components.threads import one_thread
from components.workspace import Workspace

__all__ = ["run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Write to `models/ldc`: the candidate, log.csv (a loss per epoch), trials.csv, deconfused.csv.

    If LDC is not wanted, or it cannot read the backbone, there is no candidate and the tables are empty. No
    query image is read here.
    """
    why_not = _why_not(workspace)
    fit = None if why_not else _fit(workspace, reporter)
    folder = workspace.ldc
    candidates = [] if fit is None else [Candidate(LdcHead.name, fit.head, fit.out_of_fold)]
    save_candidates(candidates, folder, exactly=True)
    log = [] if fit is None else [(epoch.epoch, epoch.loss) for epoch in fit.log]
    trials = [] if fit is None else [(_said(t.change), t.epochs, t.log_loss, t.gain, int(t.kept)) for t in fit.trials]
    write_text(folder / "log.csv", _table(("epoch", "loss"), log))
    write_text(folder / "trials.csv", _table(("change", "epochs", "log_loss", "gain", "kept"), trials))
    write_pairs(folder, [] if fit is None else fit.deconfused, PhotoTables(workspace.validated).class_names())
    reporter.note(why_not or _summary(fit))
    return {"trained": fit is not None, "trials": len(trials)}


def _fit(workspace: Workspace, reporter: Reporter) -> LdcFit:
    settings = workspace.parameters.section("ldc", LdcSettings)
    heads = () if settings.level_mode == "pooled" else None  # None: levels as they are cached
    rows = read_rows(workspace, "support", reporter, heads=heads)
    validation = read_rows(workspace, "validation", reporter, heads=heads)

    def tell(now: FitProgress) -> None:
        reporter.progress(now.done, now.planned, f"epochs, loss {now.epoch.loss:.3f}")

    with one_thread():
        return fit_ldc(
            read_support(workspace, rows, read_pool(workspace)),
            settings,
            validation=read_support(workspace, validation) if validation.image_ids else None,
            progress=tell,
        )


def _why_not(workspace: Workspace) -> str | None:
    if not workspace.parameters.section("classifier", ClassifierSettings).wants_ldc:
        return "LDC is not among classifier.heads"
    if BackboneFacts.read(workspace.features).projector is None:
        return "LDC reads CLIP's ResNets and ViTs; this backbone is neither"
    return None


def _summary(fit: LdcFit | None) -> str:
    assert fit is not None
    recipe, changed = fit.head.recipe_, [_said(trial.change) for trial in fit.trials if trial.kept and trial.change]
    return (
        f"{recipe.level_mode} levels, starts from {recipe.start}, fusion {recipe.fusion}; "
        f"{len(fit.trials)} tried" + (f", kept: {'; '.join(changed)}" if changed else "")
    )


def _said(change: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in change.items()) or "defaults"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
