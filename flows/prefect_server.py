"""The Prefect server that the settings name, asked before anything depends on it."""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
)

from components.errors import UserInputError
from flows.temporary_server import STARTUP_S, is_own, temporary_server

__all__ = ["HEARTBEAT_S", "require_server", "run_settings", "server_url"]

HEARTBEAT_S = 30
"""Pause between two signs of life of a run, where a server watches; Prefect allows no less."""


def server_url() -> str:
    """The address of the server's API; empty if none is named but a temporary one of ours."""
    url = PREFECT_API_URL.value() or ""
    return "" if is_own(url) else url


def run_settings() -> dict[Any, Any]:
    """Prefect's settings while a flow runs.

    Where a server is named it hears that the run is alive. A temporary one ends with us: the thread that would tell it
    takes a second to end, and is left out. If this process has begun one, this waits for it.
    """
    if not server_url() and (url := temporary_server()):
        return {PREFECT_API_URL: url, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    return {
        PREFECT_FLOWS_HEARTBEAT_FREQUENCY: HEARTBEAT_S if server_url() else None,
        PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: STARTUP_S,
    }


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
