"""The stage validate: Great Expectations on the manifest; critical failures stop, bad photos are quarantined."""

from __future__ import annotations

import os
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from components.artefacts import PhotoTables
from components.files import write_json
from components.ingest import IngestSettings, draw_sample
from components.report import write_validation_pages
from components.stages.reporter import Reporter
from components.validate import ExpectationResult, ValidateSettings, own_actions, validate
from components.workspace import Workspace

__all__ = ["run", "told_where"]

_ROWS_NAMED = 3


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Read `data/ingest`; write the validated tables and the verdict to `data/validate`, Data Docs to `reports`.

    Raises:
        ValidationError: a critical check failed; the verdict and the pages are written all the same.
    """
    settings = workspace.parameters.section("ingest", IngestSettings)
    docs = workspace.reports / "validation"
    ingested = PhotoTables(workspace.ingested)
    verdict = validate(
        ingested.manifest(),
        ingested.quarantine(),
        ingested.sample(),
        shots=settings.shots,
        settings=workspace.parameters.section("validate", ValidateSettings),
        own=workspace.own_expectations,
        actions=own_actions(workspace.own_actions),
    )
    write_validation_pages(docs, verdict)
    write_json(workspace.validated / "verdict.json", verdict.as_json())
    for answer in verdict.answers:
        if answer.passed is False:
            reporter.note(f"{answer.check.severity}: {answer.check.title}; this fails {told_where(answer)}")
    reporter.note(f"the checks as a page: {os.path.relpath(docs / 'index.html')}")
    verdict.stop_if_critical()
    # Drawn again: the class's next photo replaces a bad one.
    sample = draw_sample(
        verdict.manifest, shots=settings.shots, seed=settings.seed, validation_shots=settings.validation_shots_used
    )
    PhotoTables(workspace.validated).write(
        manifest=verdict.manifest,
        quarantine=verdict.quarantine,
        sample=sample,
        classes=_learnt(ingested.classes(), sample),
    )
    return {"photos": verdict.manifest.num_rows, "quarantined": verdict.quarantine.num_rows}


def told_where(answer: ExpectationResult) -> str:
    """The rows in which a check failed, a few of them by their keys for people."""
    keys = [str(row.get("path") or row.get("class") or "") for row in answer.failing[:_ROWS_NAMED]]
    if not any(keys):
        return "here" if not answer.failing else f"in {len(answer.failing)} rows"
    more = len(answer.failing) - len(keys)
    return f"for {', '.join(keys)}" + (f" and {more} more" if more else "")


def _learnt(classes: pa.Table, sample: pa.Table) -> pa.Table:
    """The classes with support photos; a class that only has query photos is not in the classifier."""
    support = sample.filter(pc.equal(sample["role"], "support"))
    return classes.filter(pc.is_in(classes["class"], value_set=support["class"].combine_chunks().unique()))
