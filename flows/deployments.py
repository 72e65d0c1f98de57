"""The flows as deployments of a Prefect server: started there, by a schedule, or by an event; and the event.

The event `shotline.samples.arrived` says which workspace is meant and which folder of its inbox has photos. Where the
inbox and the workspace lie is known to who serves the deployment alone: no path comes from an event.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import Flow, serve
from prefect.automations import Automation
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.schedules import CronSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger, Event, EventTrigger, Resource
from prefect.events.actions import ChangeFlowRunState
from prefect.events.clients import get_events_client
from prefect.events.schemas.automations import Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, PREFECT_RUNNER_POLL_FREQUENCY, temporary_settings
from prefect.types.entrypoint import EntrypointType

from components.errors import UserInputError
from components.live.intake import open_inbox
from components.live.watchers import WatcherNote
from components.workspace import Workspace
from flows.add_class import add_class
from flows.consolidate import consolidate
from flows.prefect_server import HEARTBEAT_S, require_server, server_url
from flows.review import review
from flows.train import train

__all__ = ["ARRIVED", "announce", "deploy", "deployment", "listen", "training_deployments"]

ARRIVED = "shotline.samples.arrived"

_REMEDY = "start it (prefect server start) and name it: PREFECT_API_URL=http://127.0.0.1:4200/api"
_POLL_S = 2  # how often the server is asked for runs; Prefect's ten seconds are a third of what an arrival may take
_SERVING = {PREFECT_RUNNER_POLL_FREQUENCY: _POLL_S, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT_S}
_TAG = "shotline"
_CRASHES = "shotline: a run without a sign of life has crashed"


def deployment(workspace: Workspace, inbox: Path) -> RunnerDeployment:
    """The flow `add-class` over this inbox, started by events that carry the workspace's identity."""
    name = _name(workspace)
    made = add_class.to_deployment(
        name,
        tags=[_TAG],
        parameters={"inbox": str(inbox), "workspace": str(workspace.root), "name": ""},
        triggers=[
            DeploymentEventTrigger(
                name=f"samples arrived: {name}",
                expect={ARRIVED},
                match={"prefect.resource.id": _resource(workspace)},
                parameters={"name": "{{ event.payload.name }}"},
            )
        ],
        description="Photos of an inbox become classes that are live.",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    assert isinstance(made, RunnerDeployment)  # a coroutine where a loop runs, which none does here
    return made


def training_deployments(
    workspace: Workspace, *, train_cron: str | None = None, consolidate_cron: str | None = None
) -> list[RunnerDeployment]:
    """The flows `train`, `consolidate` and `review` over this workspace, started by a person, or by cron lines."""
    made = []
    offered: tuple[tuple[Flow[..., Any], str | None, str], ...] = (
        (train, train_cron, "Bring the classifier up to date with photos and parameters."),
        (consolidate, consolidate_cron, "Train on the added classes; live if the gate lets it."),
        (review, None, "Say which photos of the pool are most worth a label."),
    )
    for flow, cron, described in offered:
        deployed = flow.to_deployment(
            _name(workspace),
            cron=cron,
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
) -> None:
    """Serve `train`, `consolidate` and `review`, and `add-class` where an inbox is given, until Ctrl-C or SIGTERM.

    The server gets an automation beside them: a run whose process gave no sign of life is called crashed.

    Args:
        workspace: see `Workspace`.
        folder: the inbox, or None.
        tell: prints a line for people.
        train_cron: when to train by itself, as a cron line in the server's time zone.
        consolidate_cron: when to consolidate by itself.

    Raises:
        UserInputError: no inbox, no such cron line, or no Prefect server is named or answers.
    """
    for option, line in (("--train-cron", train_cron), ("--consolidate-cron", consolidate_cron)):
        _check_cron(option, line)
    inbox = None if folder is None else open_inbox(workspace, folder)[0].folder
    _require_named_server()
    deployed = training_deployments(workspace, train_cron=train_cron, consolidate_cron=consolidate_cron)
    if inbox is not None:
        deployed.append(deployment(workspace, inbox))
    _automate_crashes()
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
    tell(f"listening at {server_url()} for photos in {inbox.folder}; Ctrl-C ends it")
    with temporary_settings(_SERVING), WatcherNote(workspace, inbox.folder, "serves").kept():
        serve(deployment(workspace, inbox.folder), limit=1, print_starting_message=False)


def announce(workspace: Workspace, name: str) -> None:
    """Emit the event that photos have arrived in the inbox's folder `name`, and wait until the server has it.

    Raises:
        UserInputError: no Prefect server is named or answers; the event would be lost without a word.
    """
    _require_named_server()
    event = Event(
        event=ARRIVED,
        resource=Resource({"prefect.resource.id": _resource(workspace), "prefect.resource.name": workspace.root.name}),
        payload={"name": name},
    )

    async def emit() -> None:
        async with get_events_client(reconnection_attempts=3, checkpoint_every=1) as client:
            await client.emit(event)

    asyncio.run(emit())


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


def _automate_crashes() -> None:
    """See that the server calls a run crashed that has given no sign of life for three heartbeats."""
    ends = ("Completed", "Failed", "Cancelled", "Crashed", "Refused", "Nothing")
    wanted = Automation(
        name=_CRASHES,
        description="A flow run whose process was killed does not stay Running.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{state}" for state in ends)},
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=3 * HEARTBEAT_S),
        ),
        actions=[
            ChangeFlowRunState(
                name="Crashed", state=StateType.CRASHED, force=False, message="no sign of life: its process was killed"
            )
        ],
    )
    with get_client(sync_client=True) as client:
        if not client.request(
            "POST", "/automations/filter", json={"automations": {"name": {"any_": [_CRASHES]}}}
        ).json():
            wanted.create()


def _resource(workspace: Workspace) -> str:
    return f"shotline.workspace.{workspace.identity}"


def _require_named_server() -> None:
    if not server_url():
        raise UserInputError("no Prefect server is named", on="PREFECT_API_URL", remedy=_REMEDY)
    require_server(_REMEDY)
