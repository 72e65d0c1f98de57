"""The Prefect server that the settings name, asked before anything depends on it."""

from __future__ import annotations

from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
)

from components.errors import UserInputError

__all__ = ["RUN_SETTINGS", "require_server", "server_url"]

# The heartbeat's thread takes a second to end. Prefect waits 20 seconds for its temporary server; a machine that is
# busy needs more.
RUN_SETTINGS = {PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None, PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: 120}


def server_url() -> str:
    """The address of the server's API; empty where none is named."""
    return PREFECT_API_URL.value() or ""


def require_server(remedy: str) -> None:
    """See that the server answers; where none is named there is nothing to ask.

    Args:
        remedy: what to do where it does not.

    Raises:
        UserInputError: it does not.
    """
    if not server_url():
        return
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
    if error is not None:
        raise UserInputError(
            f"no Prefect server answers there: {type(error).__name__}", on=server_url(), remedy=remedy
        ) from error
