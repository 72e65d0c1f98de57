"""The event of one workspace starts the flow of that workspace alone, and is never lost without a word."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from prefect.events import DeploymentEventTrigger
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.errors import UserInputError
from components.workspace import Workspace
from flows.deployments import ARRIVED, announce, deploy, deployment, listen, training_deployments


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


def test_training_is_started_by_a_person_or_by_the_clock(tmp_path: Path) -> None:
    here = workspace(tmp_path / "paint-line")
    by_hand, nightly, asked = training_deployments(here, consolidate_cron="0 3 * * *")

    assert (by_hand.flow_name, nightly.flow_name, asked.flow_name) == ("train", "consolidate", "review")
    assert by_hand.schedules == []
    assert [schedule.schedule.cron for schedule in nightly.schedules or []] == ["0 3 * * *"]  # type: ignore[union-attr]
    assert by_hand.name == nightly.name == f"paint-line-{here.identity[:8]}"
    assert by_hand.parameters == {"workspace": str(here.root)}


def test_a_slip_in_a_cron_line_is_told_before_a_server_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="'at three' is no cron line") as refused:
        deploy(workspace(tmp_path / "here"), None, lambda line: None, train_cron="at three")
    assert refused.value.on == "--train-cron"
