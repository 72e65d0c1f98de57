"""What a Prefect server does by itself for a workspace: starts a flow, calls a run crashed, sends a message.

What starts a flow is a trigger of its deployment, put there with it; the others are automations of their own, which
`shotline deploy` makes or brings up to date.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.events import DeploymentEventTrigger, EventTrigger
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from components.errors import UserInputError
from components.workspace import Workspace
from flows.events import REFUSED, SHIFTED, workspace_resource
from flows.prefect_server import HEARTBEAT_S

__all__ = ["automate_crashes", "automate_messages", "find_block", "started_by"]

_CRASHES = "shotline: a run without a sign of life has crashed"
_ENDS = ("Completed", "Failed", "Cancelled", "Crashed", "Refused", "Nothing")
_MESSAGES = {
    REFUSED: ("photos were refused", "{{ event.payload.reasons }}"),
    SHIFTED: ("new photos are unlike the known ones", "{{ event.payload.told }}"),
}


def started_by(
    workspace: Workspace, name: str, event: str, parameters: dict[str, Any] | None = None
) -> DeploymentEventTrigger:
    """The trigger of a deployment that starts it at that event of this workspace alone."""
    return DeploymentEventTrigger(
        name=name,
        expect={event},
        match={"prefect.resource.id": workspace_resource(workspace)},
        parameters=parameters,
    )


def automate_crashes() -> None:
    """See that the server calls a run crashed that has given no sign of life for three heartbeats."""
    wanted = Automation(
        name=_CRASHES,
        description="A flow run whose process was killed does not stay Running.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect={"prefect.flow-run.heartbeat", *(f"prefect.flow-run.{state}" for state in _ENDS)},
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
        if not _found(client, _CRASHES):
            wanted.create()


def find_block(slug: str) -> UUID:
    """The notification block of that name, `TYPE/NAME` as `prefect block ls` has it.

    Raises:
        UserInputError: the server has none.
    """
    kind, _, name = slug.partition("/")
    try:
        with get_client(sync_client=True) as client:
            return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        raise UserInputError(
            "the Prefect server has no such notification block",
            on=f"--notify {slug}",
            remedy="make one on its page Blocks (Slack, e-mail, a webhook), and name it as `prefect block ls` does",
        ) from None


def automate_messages(workspace: Workspace, name: str, block: UUID) -> None:
    """Have the server send a message by that block where an arrival is refused, and where new photos are unlike.

    Args:
        workspace: see `Workspace`.
        name: of its deployments.
        block: see `find_block`; another one takes the earlier one's place.
    """
    with get_client(sync_client=True) as client:
        for event, (what, body) in _MESSAGES.items():
            called = f"shotline: {what}: {name}"
            for old in _found(client, called):
                client.request("DELETE", "/automations/{id}", path_params={"id": old})
            Automation(
                name=called,
                description=f"A message where {what}.",
                trigger=EventTrigger(
                    expect={event},
                    match=ResourceSpecification({"prefect.resource.id": [workspace_resource(workspace)]}),
                    posture=Posture.Reactive,
                    threshold=1,
                    within=timedelta(0),
                ),
                actions=[SendNotification(block_document_id=block, subject=f"{name}: {what}", body=body)],
            ).create()


def _found(client: SyncPrefectClient, name: str) -> list[str]:
    """Ids of the automations of that name."""
    answer = client.request("POST", "/automations/filter", json={"automations": {"name": {"any_": [name]}}})
    return [each["id"] for each in answer.json()]
