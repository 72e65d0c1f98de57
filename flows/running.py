"""How a flow runs: its steps as Prefect tasks, with settings of its own, and told to a server where a signal ends it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.runtime import flow_run
from prefect.settings import temporary_settings
from prefect.states import Completed

from flows.prefect_server import require_server, run_settings, server_url
from flows.stopping import before_the_end

__all__ = ["in_this_process", "require_flows", "run_as_task", "run_name", "run_settings", "told_when_stopped"]

T = TypeVar("T")
_NAMED = 3  # arrivals in the name of a run


def run_as_task(name: str, step: Callable[[], T]) -> T:
    """The `components.running.Runner` that makes a Prefect task of the step; False is shown as `UpToDate`."""
    returned = _step.with_options(name=name, task_run_name=name)(step)
    return cast(T, False if isinstance(returned, State) else returned)


# Whether a stage runs is DVC's decision alone, so nothing is taken from Prefect's cache. Nothing is written there either:
# what a step returns is no plain data.
@task(cache_policy=NO_CACHE, persist_result=False)
def _step(step: Callable[[], Any]) -> Any:
    returned = step()
    return Completed(name="UpToDate", data=False) if returned is False else returned


def run_name() -> str:
    """What a server calls a run of a flow: `add-class rust, dent and 3 more`, `train paint-line`, `consolidate paint-line`."""
    parameters = flow_run.parameters
    names = re.split("/|, ", parameters.get("name") or Path(parameters.get("workspace", ".")).resolve().name)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{flow_run.flow_name} {', '.join(names[:_NAMED])}{more}"


@contextmanager
def in_this_process() -> Iterator[None]:
    """Flows that are called within have `run_settings`.

    Raises:
        UserInputError: the Prefect server that the settings name does not answer; nothing has run then.
    """
    require_flows()
    with temporary_settings(run_settings()):
        yield


def require_flows() -> None:
    """See that a flow could run.

    Raises:
        UserInputError: the Prefect server that the settings name does not answer.
    """
    require_server("start it (prefect server start), correct PREFECT_API_URL, or train with --plain")


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
