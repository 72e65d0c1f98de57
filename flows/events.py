"""What happens in a workspace, told to a Prefect server: events that its automations wait for.

Each names its workspace by the identity, so that another workspace's automations pass it over. No flow reads a path from
one.
"""

from __future__ import annotations

import asyncio
from typing import Any

from prefect.events import Event, Resource
from prefect.events.clients import get_events_client
from prefect.events.utilities import emit_event

from components.errors import UserInputError
from components.live.outcome import Taken
from components.wording import printable
from components.workspace import Workspace
from flows.prefect_server import require_server, server_url

__all__ = [
    "ARRIVED",
    "REFUSED",
    "SERVER_REMEDY",
    "SHIFTED",
    "WAITING",
    "emit",
    "tell_of_arrivals",
    "workspace_resource",
]

ARRIVED = "shotline.samples.arrived"
"""Photos have settled in an inbox; `name`: their folders, see `folder_names`."""
REFUSED = "shotline.arrival.refused"
"""Photos were refused; `reasons`: what and why, a line each."""
SHIFTED = "shotline.photos.shifted"
"""New photos are unlike those that were learnt from; `told`: in which way."""
WAITING = "shotline.photos.waiting"
"""As many photos as `inbox.consolidate_after` says wait for a consolidation, or once more as many; `photos`: how many."""

SERVER_REMEDY = "start it (prefect server start) and name it: PREFECT_API_URL=http://127.0.0.1:4200/api"
_MOST_REASONS = 20


def workspace_resource(workspace: Workspace) -> str:
    """What an event says it is about, and a trigger matches."""
    return f"shotline.workspace.{workspace.identity}"


def emit(workspace: Workspace, name: str, payload: dict[str, Any]) -> None:
    """Emit an event, and wait until the server has it.

    Raises:
        UserInputError: no Prefect server is named or answers; the event would be lost without a word.
    """
    if not server_url():
        raise UserInputError("no Prefect server is named", on="PREFECT_API_URL", remedy=SERVER_REMEDY)
    require_server(SERVER_REMEDY)
    event = Event(event=name, resource=Resource(_labels(workspace)), payload=payload)

    async def send() -> None:
        async with get_events_client(reconnection_attempts=3, checkpoint_every=1) as client:
            await client.emit(event)

    asyncio.run(send())


def tell_of_arrivals(workspace: Workspace, taken: Taken, before: int, after: int, every: int) -> None:
    """Within a flow run: emit what came of arrivals besides classes. Nobody waits, and where it fails nothing else does.

    Args:
        workspace: see `Workspace`.
        taken: what came of them.
        before: photos that waited for a consolidation beforehand.
        after: that wait now.
        every: `inbox.consolidate_after`; 0: nobody asked.
    """
    if not server_url():
        return
    if refused := {**taken.refused, **taken.refused_photos}:
        reasons = [f"{printable(name)}: {error.what}" for name, error in refused.items()]
        payload = {"refused": len(reasons), "reasons": "\n".join(reasons[:_MOST_REASONS])}
        emit_event(REFUSED, _labels(workspace), payload=payload)
    if every and after // every > before // every:
        emit_event(WAITING, _labels(workspace), payload={"photos": after})


def _labels(workspace: Workspace) -> dict[str, str]:
    return {
        "prefect.resource.id": workspace_resource(workspace),
        "prefect.resource.name": workspace.root.name,
        "shotline.workspace.path": str(workspace.root),  # by which `prefect.yaml` knows its own
    }
