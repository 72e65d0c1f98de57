"""The flows as deployments of a Prefect server: started there, by a schedule, or by an event; and the event of arrivals.

The event `shotline.samples.arrived` says which workspace is meant and which folders of its inbox have photos. Where the
inbox and the workspace lie is known to who serves the deployment alone: no path comes from an event. `prefect.yaml` in
the workspace has the same deployments, for Prefect's own `prefect deploy` and workers.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from prefect import Flow, serve
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_RUNNER_POLL_FREQUENCY, temporary_settings
from prefect.types.entrypoint import EntrypointType

from components.errors import UserInputError
from components.live.intake import open_inbox
from components.live.watchers import WatcherNote
from components.workspace import Workspace
from flows.add_class import add_class, joined_names
from flows.automations import automate_crashes, automate_messages, find_block, started_by
from flows.consolidate import consolidate
from flows.events import ARRIVED, SERVER_REMEDY, SHIFTED, WAITING, emit
from flows.prefect_server import HEARTBEAT_S, require_server, server_url
from flows.review import review
from flows.train import train

__all__ = ["announce", "deploy", "deployment", "is_taken", "listen", "training_deployments"]

_POLL_S = 2  # how often the server is asked for runs; Prefect's ten seconds are a third of what an arrival may take
_SERVING = {PREFECT_RUNNER_POLL_FREQUENCY: _POLL_S, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT_S}
_TAG = "shotline"
_UNDER_WAY = [StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING]


def deployment(workspace: Workspace, inbox: Path) -> RunnerDeployment:
    """The flow `add-class` over this inbox, started by events that carry the workspace's identity."""
    name = _name(workspace)
    made = add_class.to_deployment(
        name,
        tags=[_TAG],
        parameters={"inbox": str(inbox), "workspace": str(workspace.root), "name": ""},
        triggers=[started_by(workspace, f"samples arrived: {name}", ARRIVED, {"name": "{{ event.payload.name }}"})],
        description="Photos of an inbox become classes that are live.",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(made, RunnerDeployment)  # a coroutine where a loop runs, which none does here
    return made


def training_deployments(
    workspace: Workspace, *, train_cron: str | None = None, consolidate_cron: str | None = None
) -> list[RunnerDeployment]:
    """The flows `train`, `consolidate` and `review` over this workspace, started by a person, by cron lines, or by an event:
    consolidate where enough photos wait, review where new photos are unlike the known ones."""
    made = []
    offered: tuple[tuple[Flow[..., Any], str | None, str, str], ...] = (
        (train, train_cron, "", "Bring the classifier up to date with photos and parameters."),
        (consolidate, consolidate_cron, WAITING, "Train on the added classes; live if the gate lets it."),
        (review, None, SHIFTED, "Say which photos of the pool are most worth a label."),
    )
    for flow, cron, event, described in offered:
        name = _name(workspace)
        deployed = flow.to_deployment(
            name,
            cron=cron,
            triggers=[started_by(workspace, f"{flow.name} {name}: {event}", event)] if event else [],
            parameters={"workspace": str(workspace.root)},
            tags=[_TAG],
            concurrency_limit=1,  # a second one would wait for the workspace all the same
            description=described,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        assert isinstance(deployed, RunnerDeployment)
        made.append(deployed)
    return made


def deploy(
    workspace: Workspace,
    folder: Path | None,
    tell: Callable[[str], None],
    *,
    train_cron: str | None = None,
    consolidate_cron: str | None = None,
    notify: str | None = None,
) -> None:
    """Serve `train`, `consolidate` and `review`, and `add-class` where an inbox is given, until Ctrl-C or SIGTERM.

    The server gets an automation beside them: a run whose process gave no sign of life is called crashed.

    Args:
        workspace: see `Workspace`.
        folder: the inbox, or None.
        tell: prints a line for people.
        train_cron: when to train by itself, as a cron line in the server's time zone.
        consolidate_cron: when to consolidate by itself.
        notify: the notification block by which the server sends a message where photos are refused, or are unlike the
            known ones; `TYPE/NAME`.

    Raises:
        UserInputError: no inbox, no such cron line or block, or no Prefect server is named or answers.
    """
    for option, line in (("--train-cron", train_cron), ("--consolidate-cron", consolidate_cron)):
        _check_cron(option, line)
    inbox = None if folder is None else open_inbox(workspace, folder)[0].folder
    _require_named_server()
    deployed = training_deployments(workspace, train_cron=train_cron, consolidate_cron=consolidate_cron)
    if inbox is not None:
        deployed.append(deployment(workspace, inbox))
    automate_crashes()
    if notify is not None:
        automate_messages(workspace, _name(workspace), find_block(notify))
    for each in deployed:
        tell(f"deployed {each.flow_name}/{each.name}")
    tell(f"serving them at {server_url()}; start one there, or: prefect deployment run train/{_name(workspace)}")
    noted = contextlib.nullcontext() if inbox is None else WatcherNote(workspace, inbox, "serves").kept()
    with temporary_settings(_SERVING), noted:
        serve(*deployed, limit=1, print_starting_message=False)


def listen(workspace: Workspace, folder: Path, tell: Callable[[str], None]) -> None:
    """Serve the deployment until Ctrl-C or SIGTERM; each event's run has a process of its own, one after another.

    Args:
        workspace: see `Workspace`.
        folder: the inbox.
        tell: prints a line for people.

    Raises:
        UserInputError: no inbox, or no Prefect server is named or answers.
    """
    inbox, _ = open_inbox(workspace, folder)
    _require_named_server()
    automate_crashes()  # a run that stayed Running would keep its photos from being announced again
    tell(f"listening at {server_url()} for photos in {inbox.folder}; Ctrl-C ends it")
    with temporary_settings(_SERVING), WatcherNote(workspace, inbox.folder, "serves").kept():
        serve(deployment(workspace, inbox.folder), limit=1, print_starting_message=False)


def announce(workspace: Workspace, names: Sequence[str]) -> None:
    """Emit the event that photos have arrived in these folders of the inbox, and wait until the server has it.

    Raises:
        UserInputError: no Prefect server is named or answers; the event would be lost without a word.
    """
    emit(workspace, ARRIVED, {"name": joined_names(names)})


def is_taken(workspace: Workspace) -> bool:
    """Whether a run of this workspace's `add-class` waits or is at work on the server: what was announced is in hand."""
    with get_client(sync_client=True) as client:
        try:
            deployed = client.read_deployment_by_name(f"{add_class.name}/{_name(workspace)}")
        except ObjectNotFound:
            return False
        runs = client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                deployment_id=FlowRunFilterDeploymentId(any_=[deployed.id]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)),
            ),
            limit=1,
        )
        return bool(runs)


def _name(workspace: Workspace) -> str:
    """Of the workspace's deployments; a server may serve many workspaces."""
    return f"{workspace.root.name}-{workspace.identity[:8]}"


def _check_cron(option: str, line: str | None) -> None:
    if line is None:
        return
    try:
        CronSchedule(cron=line)
    except ValueError as error:
        raise UserInputError(
            f"{line!r} is no cron line",
            on=option,
            remedy="give minute, hour, day, month and weekday: '0 3 * * *' is each night at three",
        ) from error


def _require_named_server() -> None:
    if not server_url():
        raise UserInputError("no Prefect server is named", on="PREFECT_API_URL", remedy=SERVER_REMEDY)
    require_server(SERVER_REMEDY)
