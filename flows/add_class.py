"""The flow `add-class`: photos of an inbox become classes that are live; reading, encoding and changing are its tasks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas import State
from prefect.settings import temporary_settings
from prefect.states import Completed

from components.inbox import InboxSettings
from components.live.intake import take_settled
from components.live.keeping_online import keep_online
from components.live.outcome import Taken
from components.live.standing import photos_to_consolidate
from components.live.telling import explain_taken, taken_json
from components.running import Runner
from components.workspace import Workspace
from flows.events import tell_of_arrivals
from flows.run_artifacts import show_arrivals, show_verdict
from flows.running import run_as_task, run_name, run_settings

__all__ = ["add_class", "joined_names", "run_add_class"]

_BETWEEN = "/"  # no folder's name holds it


@flow(name="add-class", flow_run_name=run_name)
def add_class(inbox: str, name: str, workspace: str = ".") -> State[dict[str, Any]]:
    """Make the photos that have arrived for a class live.

    Args:
        inbox: the folder with a folder per class.
        name: which of its folders; several are joined, see `joined_names`.
        workspace: a folder in the workspace.

    Returns:
        See `taken_json`. The run's state is called `Refused` if everything was refused, and `Nothing` if no photo was
        left.
    """
    place = Workspace.find(Path(workspace))
    before = _waiting(place)
    taken = take_settled(place, Path(inbox), name.split(_BETWEEN), run_as_task)
    keep_online(place)
    return _recorded(taken, place, before)


def joined_names(names: Sequence[str]) -> str:
    """Folders of an inbox as the flow's parameter `name`."""
    return _BETWEEN.join(names)


def run_add_class(inbox: Path, names: list[str], workspace: Workspace, take: Callable[[Runner], Taken]) -> Taken:
    """Run the flow in this process over what it has loaded.

    Args:
        inbox: the folder.
        names: of the classes' folders; the server shows them joined to one name.
        workspace: see `Workspace`.
        take: takes the arrivals; its argument runs each step.
    """
    taken: Taken | None = None
    place = workspace

    # A flow's parameters must be plain data, so a flow is made here that closes over the loaded objects.
    @flow(name=add_class.name, flow_run_name=run_name)
    def add_class_here(inbox: str, name: str, workspace: str) -> State[dict[str, Any]]:
        nonlocal taken
        before = _waiting(place)
        taken = take(run_as_task)
        return _recorded(taken, place, before)

    try:
        with temporary_settings(run_settings()):
            add_class_here(str(inbox), ", ".join(names), str(workspace.root))
    except Exception:
        # The arrivals are live and moved already, even if recording them fails.
        if taken is None:
            raise
    assert taken is not None
    return taken


def _waiting(workspace: Workspace) -> int:
    """The number of photos that wait for a consolidation."""
    return sum(photos_to_consolidate(workspace).values())


def _recorded(taken: Taken, workspace: Workspace, before: int) -> State[dict[str, Any]]:
    """Write the outcome of arrivals into the flow run's log and into events, and return it as the run's state."""
    told = explain_taken(taken)
    for line in told.splitlines():
        get_run_logger().info("%s", line)
    for folder, error in taken.failed.items():
        get_run_logger().error("%s: %s; it stays in the inbox", folder, error)
    show_verdict(told)
    show_arrivals(workspace, taken)
    every = workspace.parameters.section("inbox", InboxSettings).consolidate_after
    tell_of_arrivals(workspace, taken, before, _waiting(workspace), every)
    refused = bool(taken.refused or taken.refused_photos or taken.failed)
    state = "Completed" if taken.outcomes else "Refused" if refused else "Nothing"
    return Completed(name=state, message=told[:1000], data=taken_json(taken))
