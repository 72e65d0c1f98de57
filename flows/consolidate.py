"""The flow `consolidate`: trains on the added classes, each stage a Prefect task; see `flows.consolidation`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow

from components.stages import Reporter
from components.workspace import Workspace
from flows.consolidation import consolidate_classes
from flows.train import current_reporter, heard_by, in_task, told_when_stopped

__all__ = ["consolidate", "run_consolidate"]


@flow(name="consolidate")
def consolidate(workspace: str = ".", names: Sequence[str] = (), force: bool = False) -> dict[str, Any]:
    """Train on the added classes, and make what comes of it live if the gate lets it.

    Args:
        workspace: a folder in the workspace.
        names: classes to consolidate; all where empty.
        force: overrule the gate; the ledger says so.

    Returns:
        See `consolidate_classes`.
    """
    with told_when_stopped():
        return consolidate_classes(Workspace.find(Path(workspace)), names, current_reporter(), in_task, force=force)


def run_consolidate(
    workspace: Workspace, names: Sequence[str], reporter: Reporter, *, force: bool = False
) -> dict[str, Any]:
    """Run the flow from a program; raises as `heard_by` and `consolidate_classes` do."""
    with heard_by(reporter):
        return consolidate(str(workspace.root), tuple(names), force)
