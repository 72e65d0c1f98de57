"""Shared by several commands: find the workspace, silence Prefect, defer work to the end."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Annotated, Any

import typer

__all__ = [
    "WorkspaceOption",
    "afterwards",
    "begin_prefect",
    "checked_workspace",
    "expect_prefect",
    "keep_online",
    "live_versions",
    "live_workspace",
    "quiet_prefect",
]

afterwards = contextlib.ExitStack()
"""Work that commands defer until they have ended, with or without an error."""

WorkspaceOption = Annotated[
    Path | None, typer.Option("--workspace", "-w", help="Folder of the workspace; default: the one you are in.")
]


def checked_workspace(workspace: Path | None) -> Any:
    """The `Workspace`.

    Raises:
        UserInputError: there is none, or `params.yaml` has something that no stage reads or that a stage would refuse.
    """
    from components.stages import check_parameters
    from components.workspace import Workspace

    place = Workspace.find(workspace)
    check_parameters(place)
    return place


def live_workspace(workspace: Path | None) -> Any:
    """The `LiveWorkspace`; Feast's online store is updated when the command is done."""
    from components.live.opening import LiveWorkspace

    place = checked_workspace(workspace)
    # After the command: its own changes, and those that an earlier command could not write.
    afterwards.callback(keep_online, place)
    return LiveWorkspace.open(place)


def live_versions(workspace: Path | None) -> tuple[Any, Any]:
    """The `Workspace` and its `Versions`, for commands that change nothing; no model is loaded."""
    from components.live import Versions

    place = checked_workspace(workspace)
    versions = Versions(place.live)
    if versions.current_name() is None:  # the stages' bundle is made live first
        return place, live_workspace(workspace).versions
    afterwards.callback(keep_online, place)
    return place, versions


def keep_online(workspace: Any) -> None:
    """Start updating Feast's online store if it is behind, and tracking of arrivals by DVC."""
    from components.live import keeping_online
    from components.live.keeping_tracked import keep_tracked

    keep_tracked(workspace)
    if failure := keeping_online.keep_online(workspace):
        from flows.console import console

        console.print(
            f"Feast's online store was behind, and is tried again: {failure}", markup=False, soft_wrap=True, style="dim"
        )


def quiet_prefect() -> None:
    """Keep Prefect's own log lines from the terminal; they go to its server only."""
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")


def begin_prefect() -> None:
    """Have a temporary server start, where none is named, while all else is loaded and checked."""
    quiet_prefect()
    from flows.temporary_server import begin_temporary_server

    begin_temporary_server()


def expect_prefect() -> None:
    """Print what the command waits for before a flow begins."""
    from flows.console import console
    from flows.temporary_server import own_server

    if own_server():
        console.print(
            "[dim]starting a temporary Prefect server (PREFECT_API_URL names a running one, --plain does without)[/dim]"
        )
