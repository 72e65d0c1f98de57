"""The stage liteembed: it replays the ledger on the bundle, to the columns of the added classes."""

from __future__ import annotations

from typing import Any

from components.bank import Bank, replay
from components.classifier import Bundle
from components.live.opening import LiveWorkspace
from components.stages.reporter import Reporter
from components.workspace import Workspace

__all__ = ["run"]


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Write the bank of the ledger in `data/arrivals` beside `models/bundle` to `models/bank`."""
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
