"""The flow `add-class` on a Prefect server: a deployment that an event starts, and the event.

The event `shotline.samples.arrived` says which workspace is meant and which folder of its inbox has photos. Where the
inbox and the workspace lie is known to who serves the deployment alone: no path comes from an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from prefect import serve
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger, Event, Resource
from prefect.events.clients import get_events_client
from prefect.settings import PREFECT_RUNNER_POLL_FREQUENCY, temporary_settings
from prefect.types.entrypoint import EntrypointType

from components.errors import UserInputError
from components.live.intake import open_inbox
from components.workspace import Workspace
from flows.add_class import add_class
from flows.prefect_server import require_server, server_url

__all__ = ["ARRIVED", "announce", "deployment", "listen"]

ARRIVED = "shotline.samples.arrived"

_REMEDY = "start it (prefect server start) and name it: PREFECT_API_URL=http://127.0.0.1:4200/api"
_POLL_S = (
    2  # how often the server is asked for runs; ten seconds, Prefect's own, are a third of what an arrival may take
)


def deployment(workspace: Workspace, inbox: Path) -> RunnerDeployment:
    """The flow over this inbox, started by events that carry the workspace's identity."""
    name = f"{workspace.root.name}-{workspace.identity[:8]}"  # a server may serve many workspaces
    made = add_class.to_deployment(
        name,
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
    with temporary_settings({PREFECT_RUNNER_POLL_FREQUENCY: _POLL_S}):
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


def _resource(workspace: Workspace) -> str:
    return f"shotline.workspace.{workspace.identity}"


def _require_named_server() -> None:
    if not server_url():
        raise UserInputError("no Prefect server is named", on="PREFECT_API_URL", remedy=_REMEDY)
    require_server(_REMEDY)
