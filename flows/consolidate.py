"""The flow `consolidate`: trains on the added classes, each stage a Prefect task; see `flows.consolidation`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from prefect import flow

from components.stages import Reporter
from components.workspace import Workspace
from flows.consolidation import consolidate_classes
from flows.prefect_server import server_url
from flows.run_artifacts import show_training, show_verdict
from flows.run_log import LoggingReporter, ToldTwice
from flows.running import in_this_process, run_as_task, run_name, told_when_stopped

__all__ = ["consolidate", "run_consolidate"]


@flow(name="consolidate", flow_run_name=run_name)
def consolidate(workspace: str = ".", names: Sequence[str] = (), force: bool = False) -> dict[str, Any]:
    """Train on the added classes, and make the result live if the gate agrees.

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
    """Run the flow from a program, with a reporter; raises as `in_this_process` and `consolidate_classes` do."""

    # A flow's parameters must be plain data, so a flow is made here that closes over the reporter.
    @flow(name=consolidate.name, flow_run_name=run_name)
    def consolidate_here(workspace: str, names: Sequence[str], force: bool) -> dict[str, Any]:
        heard = ToldTwice(reporter, LoggingReporter()) if server_url() else reporter
        return _consolidate(workspace, names, heard, force=force)

    with in_this_process():
        return consolidate_here(str(workspace.root), tuple(names), force)


def _consolidate(workspace: str, names: Sequence[str], reporter: Reporter, *, force: bool) -> dict[str, Any]:
    with told_when_stopped():
        place = Workspace.find(Path(workspace))
        done = consolidate_classes(place, names, reporter, run_as_task, force=force)
        if done["classes"]:
            show_training(place)
        show_verdict("\n".join(done["told"]))
        return done
