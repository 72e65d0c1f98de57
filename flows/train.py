"""The flow `train`: every stage of the pipeline whose inputs changed, each a Prefect task."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prefect import flow, task
from prefect.cache_policies import NO_CACHE
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from prefect.client.schemas import State
from prefect.states import Completed

from components.stages import Reporter, SilentReporter, run_stage
from components.workspace import Workspace
from flows.pipeline import Pipeline

__all__ = ["run_plain", "run_train", "train"]


@task(cache_policy=NO_CACHE)  # whether a stage runs is DVC's decision alone
def _stage(name: str, run: Callable[[str], bool]) -> State[bool]:
    ran = run(name)
    return Completed(name="Completed" if ran else "UpToDate", data=ran)


@flow(name="train", validate_parameters=False)
def train(workspace: str = ".", reporter: Reporter | None = None) -> dict[str, bool]:
    """Bring the workspace's bundle up to date with its photos and parameters.

    Args:
        workspace: a folder in the workspace.
        reporter: hears of progress; silent by default.

    Returns:
        Stage name to whether it ran (False: it was up to date).
    """
    return _walk(Workspace.find(Path(workspace)), reporter, in_task=True)


def run_train(workspace: Workspace, reporter: Reporter) -> dict[str, bool]:
    """Run the flow from a program, without the second that Prefect's heartbeat thread takes to end."""
    with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
        return train(str(workspace.root), reporter)


def run_plain(workspace: Workspace, reporter: Reporter) -> dict[str, bool]:
    """The same stages, functions and files without Prefect."""
    return _walk(workspace, reporter, in_task=False)


def _walk(workspace: Workspace, reporter: Reporter | None, *, in_task: bool) -> dict[str, bool]:
    reporter = reporter or SilentReporter()
    pipeline = Pipeline(workspace)
    pipeline.track_photos()
    results: dict[str, bool] = {}

    def run(name: str) -> bool:
        results[name] = pipeline.run(name, lambda stage: run_stage(stage, workspace, reporter))
        if not results[name]:
            reporter.note(f"{name}: up to date")
        return results[name]

    for name in pipeline.stages():
        if in_task:
            _stage.with_options(name=name, task_run_name=name)(name, run)
        else:
            run(name)
    return results
