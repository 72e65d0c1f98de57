"""The stage liteembed: the ledger replayed on the bundle; the added classes' columns."""

from __future__ import annotations

from typing import Any

from components.bank import Bank, replay
from components.classifier import Bundle
from components.live.opening import LiveWorkspace
from components.stages.reporter import Reporter
from components.workspace import Workspace

__all__ = ["run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Write to `models/bank` what the ledger in `data/arrivals` comes to beside `models/bundle`."""
    live = LiveWorkspace(workspace, words=lambda done, of: reporter.progress(done, of, "words of the vocabulary"))
    bundle = Bundle.load(workspace.bundle)
    entries = live.ledger.entries()
    bank = Bank.empty(bundle)
    if entries:
        bank = replay(bank, entries, frozenset(bundle.class_names), live.fitter_for(bundle))
    bank.save(workspace.bank)
    if len(bank):
        reporter.note(f"added classes: {', '.join(bank.names)}")
    return {"entries": len(entries), "classes": len(bank)}
