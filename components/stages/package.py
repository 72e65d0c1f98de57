"""The stage package: the Bento."""

from __future__ import annotations

from typing import Any

from components.artefacts.metrics import read_metrics
from components.backbone import BackboneSettings
from components.packaging.bento import build_bento
from components.stages.reporter import Reporter
from components.workspace import Workspace

__all__ = ["run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Build the Bento of `models/bundle` in `models/bento`."""
    settings = workspace.parameters.section("backbone", BackboneSettings)
    tag = build_bento(workspace.models, workspace.bento, settings, read_metrics(workspace.reports))
    reporter.note(f"Bento {tag}")
    return {"bento": tag}
