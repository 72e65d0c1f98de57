"""The flow `train`: every stage of the pipeline whose inputs changed, each a Prefect task."""

from __future__ import annotations

from pathlib import Path

from prefect import flow

from components.stages import Reporter
from components.workspace import Workspace
from flows.pipeline import walk
from flows.prefect_server import server_url
from flows.run_artifacts import show_training
from flows.run_log import LoggingReporter, ToldTwice
from flows.running import in_this_process, run_as_task, run_name, told_when_stopped

__all__ = ["run_train", "train"]


@flow(name="train", flow_run_name=run_name)
def train(workspace: str = ".") -> dict[str, bool]:
    """Bring the workspace's bundle up to date with its photos and parameters.

    Args:
        workspace: a folder in the workspace.

    Returns:
        Stage name to whether it ran (False: it was up to date).
    """
    return _walk(workspace, LoggingReporter())


def run_train(workspace: Workspace, reporter: Reporter) -> dict[str, bool]:
    """Run the flow from a program, which hears of its progress; raises as `in_this_process` and `walk` do."""

    # A flow's parameters must be plain data, so the reporter comes by a flow of its own.
    @flow(name=train.name, flow_run_name=run_name)
    def train_here(workspace: str) -> dict[str, bool]:
        return _walk(workspace, ToldTwice(reporter, LoggingReporter()) if server_url() else reporter)

    with in_this_process():
        return train_here(str(workspace.root))


def _walk(workspace: str, reporter: Reporter) -> dict[str, bool]:
    with told_when_stopped():
        place = Workspace.find(Path(workspace))
        ran = walk(place, reporter, run_as_task)
        show_training(place)
        return ran
