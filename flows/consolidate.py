"""The flow `consolidate`: trains on the added classes, each stage a Prefect task; see `flows.consolidation`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow

from components.stages import Reporter
from components.workspace import Workspace
from flows.consolidation import consolidate_classes
from flows.run_log import LoggingReporter
from flows.running import in_this_process, run_as_task, told_when_stopped

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
    return _consolidate(workspace, names, LoggingReporter(), force=force)


def run_consolidate(
    workspace: Workspace, names: Sequence[str], reporter: Reporter, *, force: bool = False
) -> dict[str, Any]:
    """Run the flow from a program, which hears of its progress; raises as `in_this_process` and `consolidate_classes` do."""

    # A flow's parameters must be plain data, so the reporter comes by a flow of its own.
    @flow(name=consolidate.name)
    def consolidate_here(workspace: str, names: Sequence[str], force: bool) -> dict[str, Any]:
        return _consolidate(workspace, names, reporter, force=force)

    with in_this_process():
        return consolidate_here(str(workspace.root), tuple(names), force)


def _consolidate(workspace: str, names: Sequence[str], reporter: Reporter, *, force: bool) -> dict[str, Any]:
    with told_when_stopped():
        return consolidate_classes(Workspace.find(Path(workspace)), names, reporter, run_as_task, force=force)
