"""The flow `train`: every stage of the pipeline whose inputs changed, each a Prefect task."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.settings import temporary_settings
from prefect.states import Completed

from components.stages import Reporter
from components.workspace import Workspace
from flows.pipeline import walk
from flows.prefect_server import RUN_SETTINGS, require_server, server_url
from flows.stopping import before_the_end

__all__ = ["current_reporter", "heard_by", "in_task", "require_flows", "run_train", "told_when_stopped", "train"]

_listener: ContextVar[Reporter | None] = ContextVar("listener", default=None)  # a flow's parameters must be plain data


@flow(name="train")
def train(workspace: str = ".") -> dict[str, bool]:
    """Bring the workspace's bundle up to date with its photos and parameters.

    Args:
        workspace: a folder in the workspace.

    Returns:
        Stage name to whether it ran (False: it was up to date).
    """
    with told_when_stopped():
        return walk(Workspace.find(Path(workspace)), current_reporter(), in_task)


def run_train(workspace: Workspace, reporter: Reporter) -> dict[str, bool]:
    """Run the flow from a program; raises as `heard_by` does."""
    with heard_by(reporter):
        return train(str(workspace.root))


@contextmanager
def heard_by(reporter: Reporter) -> Iterator[None]:
    """Flows that are called within tell `reporter`, and end without the second of Prefect's heartbeat thread.

    Raises:
        UserInputError: the Prefect server that the settings name does not answer; nothing has run then.
    """
    require_flows()
    token = _listener.set(reporter)
    try:
        with temporary_settings(RUN_SETTINGS):
            yield
    finally:
        _listener.reset(token)


@contextmanager
def told_when_stopped() -> Iterator[None]:
    """Have a server that others look at know that this flow run ended, where a signal ends the process within."""
    from prefect.client.orchestration import get_client
    from prefect.context import FlowRunContext
    from prefect.states import Crashed

    context = FlowRunContext.get()
    run = None if context is None else context.flow_run
    if run is None or not server_url():  # a temporary server ends with us
        yield
        return

    def tell() -> None:
        with get_client(sync_client=True) as client:
            client.set_flow_run_state(run.id, Crashed(message="stopped by a signal"), force=True)

    with before_the_end(tell):
        yield


def require_flows() -> None:
    """See that a flow could run.

    Raises:
        UserInputError: the Prefect server that the settings name does not answer.
    """
    require_server("start it (prefect server start), correct PREFECT_API_URL, or train with --plain")


def current_reporter() -> Reporter:
    """The one that `heard_by` named, else the flow run's log."""
    return _listener.get() or LoggingReporter()


@task(cache_policy=NO_CACHE)  # whether a stage runs is DVC's decision alone
def _stage(name: str, run: Callable[[str], bool]) -> State[None]:
    return Completed(name="Completed" if run(name) else "UpToDate")


def in_task(name: str, run: Callable[[str], bool]) -> None:
    """Run a stage as a Prefect task of its name; see `flows.pipeline.Call`."""
    _stage.with_options(name=name, task_run_name=name)(name, run)


class LoggingReporter:
    """A `components.stages.Reporter` that writes to the flow run's log, for runs that no terminal watches."""

    def begin(self, stage: str) -> None:
        """Log the stage's name."""
        get_run_logger().info("%s", stage)

    def progress(self, done: int, total: int, what: str) -> None:
        """Log the end alone: a log is no place for a bar."""
        if done == total > 0:
            get_run_logger().info("%d %s", total, what)

    def note(self, text: str) -> None:
        """Log the line."""
        get_run_logger().info("%s", text)

    def end(self, stage: str, seconds: float) -> None:
        """Log the stage's seconds."""
        get_run_logger().info("%s: %.1f s", stage, seconds)
