"""The event of one workspace starts the flow of that workspace alone, and is never lost without a word."""

from __future__ import annotations

import io
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image
from prefect.events import DeploymentEventTrigger
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.errors import RefusedByGateError, UserInputError
from components.live.outcome import Taken
from components.workspace import Workspace
from flows import events
from flows.add_class import joined_names
from flows.deployments import announce, deploy, deployment, listen, training_deployments
from flows.events import ARRIVED, REFUSED, SHIFTED, WAITING, tell_of_arrivals
from flows.run_artifacts import contact_sheet
from tests.conftest import REPOSITORY, draw_photo


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
                    announce(place, ["rust"])
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


def test_an_event_starts_a_consolidation_and_a_review(tmp_path: Path) -> None:
    here = workspace(tmp_path / "here")
    by_hand, consolidating, reviewing = training_deployments(here)

    started = {each.flow_name: [trigger.expect for trigger in each.triggers] for each in (consolidating, reviewing)}  # type: ignore[union-attr]
    assert started == {"consolidate": [{WAITING}], "review": [{SHIFTED}]}
    assert by_hand.triggers == []


def test_prefect_yaml_has_the_same_deployments(tmp_path: Path) -> None:
    here = workspace(tmp_path / "here")
    served = [*training_deployments(here), deployment(here, tmp_path / "inbox")]
    ours = yaml.safe_load((REPOSITORY / "prefect.yaml").read_text())["deployments"]

    def of_workspace(parameters: dict[str, Any]) -> dict[str, Any]:
        names = {str(here.root): "{{ $PWD }}", str(tmp_path / "inbox"): "{{ $SHOTLINE_INBOX }}"}
        return {name: names.get(value, value) for name, value in parameters.items()}

    assert [each["entrypoint"] for each in ours] == [each.entrypoint for each in served]
    for written, made in zip(ours, served, strict=True):
        assert written["parameters"] == of_workspace(made.parameters or {})
        assert (written["tags"], written["description"]) == (made.tags, made.description)
        assert written.get("concurrency_limit") == made.concurrency_limit
        triggers = [(set(each["expect"]), each.get("parameters")) for each in written.get("triggers", ())]
        assert triggers == [(each.expect, each.parameters) for each in made.triggers]  # type: ignore[union-attr]


def test_what_came_of_arrivals_is_told_as_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, told = workspace(tmp_path / "here"), list[tuple[str, dict[str, Any]]]()
    monkeypatch.setattr(events, "emit_event", lambda name, labels, payload: told.append((name, payload)))
    no = RefusedByGateError("known classes would lose", on="rust", remedy="force it")
    taken = Taken(refused={"rust": no}, refused_photos={"dent/1.jpg": no})

    with temporary_settings({PREFECT_API_URL: ""}):
        tell_of_arrivals(here, taken, 0, 100, 10)
    assert told == []
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        tell_of_arrivals(here, Taken(), 0, 9, 10)
        tell_of_arrivals(here, Taken(), 0, 100, 0)
        assert told == []
        tell_of_arrivals(here, Taken(), 9, 12, 10)
        tell_of_arrivals(here, Taken(), 12, 19, 10)  # told already
        tell_of_arrivals(here, taken, 19, 20, 10)
    reasons = "rust: known classes would lose\ndent/1.jpg: known classes would lose"
    assert told == [(WAITING, {"photos": 12}), (REFUSED, {"refused": 2, "reasons": reasons}), (WAITING, {"photos": 20})]


def test_folders_that_settled_together_are_one_event_s_name() -> None:
    names = ["rosé 🦊", "", "a\nb"]
    assert joined_names(names).split("/") == names


def test_the_photos_that_arrived_are_one_small_picture(tmp_path: Path) -> None:
    for number in range(10):
        draw_photo(tmp_path / f"{number}.jpg", number, hue=25 * number, size=(640, 480))
    packed = contact_sheet(sorted(tmp_path.iterdir()))

    with Image.open(io.BytesIO(packed)) as sheet:
        assert sheet.size == (8 * 112, 2 * 112)
        assert sheet.getpixel((8 * 112 - 1, 2 * 112 - 1)) == (255, 255, 255)  # two photos in the second row
    assert len(packed) < 60_000
