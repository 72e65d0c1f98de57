"""The flow `add-class`: photos of an inbox become classes that are live; reading, encoding and changing are its tasks."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas import State
from prefect.settings import temporary_settings
from prefect.states import Completed

from components.workspace import Workspace
from flows.classes import Step
from flows.intake import Taken, take_settled
from flows.online import keep_online
from flows.prefect_server import RUN_SETTINGS

__all__ = ["add_class", "run_add_class"]

T = TypeVar("T")

# A flow's parameters must be plain data; a process that is warm hands over what it has loaded.
_warm: ContextVar[Callable[[Step], Taken] | None] = ContextVar("warm", default=None)


@flow(name="add-class")
def add_class(inbox: str, name: str, workspace: str = ".") -> State[dict[str, Any]]:
    """Make the photos that have arrived for a class live.

    Args:
        inbox: the folder with a folder per class.
        name: which of its folders; a warm process hands over several at once and only shows their names here.
        workspace: a folder in the workspace.

    Returns:
        See `Taken.to_json`. The state is called `Refused` where nothing came of it and `Nothing` where nothing was left.
    """
    given = _warm.get()
    if given is not None:
        taken = given(_in_task)
    else:
        place = Workspace.find(Path(workspace))
        taken = take_settled(place, Path(inbox), [name], _in_task)
        keep_online(place)
    told = taken.explain()
    for line in told.splitlines():
        get_run_logger().info("%s", line)
    for folder, error in taken.failed.items():
        get_run_logger().error("%s: %s; it stays in the inbox", folder, error)
    refused = bool(taken.refused or taken.refused_photos or taken.failed)
    state = "Completed" if taken.outcomes else "Refused" if refused else "Nothing"
    return Completed(name=state, message=told[:1000], data=taken.to_json())


def run_add_class(inbox: Path, names: list[str], workspace: Workspace, take: Callable[[Step], Taken]) -> Taken:
    """Run the flow in this process over what it has loaded.

    Args:
        inbox: the folder.
        names: of the classes' folders.
        workspace: see `Workspace`.
        take: takes them in, given how each step is taken.
    """
    taken: list[Taken] = []

    def once(call: Step) -> Taken:
        taken.append(take(call))
        return taken[0]

    token = _warm.set(once)
    try:
        with temporary_settings(RUN_SETTINGS):
            add_class(str(inbox), ", ".join(names), str(workspace.root))
    except Exception:
        # What was taken in is live and moved, whatever became of the record of it.
        if not taken:
            raise
    finally:
        _warm.reset(token)
    return taken[0]


@task(cache_policy=NO_CACHE)
def _step(step: Callable[[], Any], done: list[Any]) -> None:
    # Not as the task's result: that would be Prefect's to keep, and what a step gives is no plain data.
    done.append(step())


def _in_task(name: str, step: Callable[[], T]) -> T:
    done: list[T] = []
    _step.with_options(name=name, task_run_name=name)(step, done)
    return done[0]
