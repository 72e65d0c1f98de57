"""The event of one workspace starts the flow of that workspace alone, and is never lost without a word."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from prefect.events import DeploymentEventTrigger
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.errors import UserInputError
from components.workspace import Workspace
from flows.deployments import ARRIVED, announce, deployment, listen


def workspace(root: Path) -> Workspace:
    (root / "data").mkdir(parents=True)
    (root / "params.yaml").write_text("{}")
    return Workspace(root)


def test_the_trigger_names_its_own_workspace_and_no_event_can_name_a_path(tmp_path: Path) -> None:
    here, there = workspace(tmp_path / "here"), workspace(tmp_path / "there")
    made = deployment(here, tmp_path / "inbox")
    (trigger,) = made.triggers

    assert isinstance(trigger, DeploymentEventTrigger)
    assert trigger.expect == {ARRIVED}
    assert trigger.match == {"prefect.resource.id": f"shotline.workspace.{here.identity}"} or (
        trigger.match.root == {"prefect.resource.id": f"shotline.workspace.{here.identity}"}  # type: ignore[union-attr]
    )
    assert trigger.parameters == {"name": "{{ event.payload.name }}"}
    assert made.parameters == {"inbox": str(tmp_path / "inbox"), "workspace": str(here.root), "name": ""}
    assert made.name != deployment(there, tmp_path / "inbox").name


def test_without_a_server_that_answers_nothing_is_announced_or_listened_for(tmp_path: Path) -> None:
    place = workspace(tmp_path / "here")
    (tmp_path / "inbox").mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: a connection is refused
        nobody = f"http://127.0.0.1:{taken.getsockname()[1]}/api"
        for url, told in (("", "no Prefect server is named"), (nobody, "no Prefect server answers")):
            with temporary_settings({PREFECT_API_URL: url}):
                with pytest.raises(UserInputError, match=told):
                    announce(place, "rust")
                with pytest.raises(UserInputError, match=told):
                    listen(place, tmp_path / "inbox", lambda line: None)
