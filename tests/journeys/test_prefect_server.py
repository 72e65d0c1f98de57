"""A run on a Prefect server of one's own is seen there, stage by stage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.prefect_record import ask, runs, state_of, states
from tests.support.stories import Run
from tests.support.watched import wait_for, watching

STAGES = ("ingest", "validate", "features", "ldc", "classifier", "liteembed", "evaluate", "package")


@pytest.mark.soak
def test_each_stage_is_a_task_with_its_state(server: str, copy_of_trained: Path, run_command: Run) -> None:
    run_command("shotline", "train", "--seed", "9", cwd=copy_of_trained, env={"PREFECT_API_URL": server})
    run_command("shotline", "consolidate", cwd=copy_of_trained, env={"PREFECT_API_URL": server})
    trained = runs(server, "train")[-1]
    (consolidated,) = runs(server, "consolidate")

    assert trained["state_name"] == "Completed"
    assert states(server, trained["id"]) == dict.fromkeys(STAGES, "Completed")
    assert (consolidated["state_name"], states(server, consolidated["id"])) == ("Completed", {})  # nothing waited


@pytest.mark.soak
def test_a_deployed_train_is_started_from_the_server_and_leaves_its_table_and_log(
    server: str, copy_of_trained: Path, tmp_path: Path
) -> None:
    Workspace(copy_of_trained).set_parameters({"ingest.seed": 7})
    environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_HOME": str(tmp_path / "home")}
    program = Path(sys.executable).with_name("shotline")
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([program, "deploy"], cwd=copy_of_trained, env=environment, stderr=log)
    try:
        wait_for(lambda: b"serving them" in (tmp_path / "log").read_bytes(), tmp_path / "log")
        (deployed,) = ask(server, "deployments/filter", flows={"name": {"any_": ["train"]}})
        run = ask(server, f"deployments/{deployed['id']}/create_flow_run")
        wait_for(lambda: state_of(server, run["id"]) not in ("SCHEDULED", "PENDING", "RUNNING"), tmp_path / "log")
    finally:
        process.terminate()
        process.wait(30)

    assert state_of(server, run["id"]) == "COMPLETED"
    artifacts = ask(server, "artifacts/filter", flow_runs={"id": {"any_": [run["id"]]}})
    assert "heads" in {artifact["key"] for artifact in artifacts}
    logged = [line["message"] for line in ask(server, "logs/filter", logs={"flow_run_id": {"any_": [run["id"]]}})]
    assert any("has the lowest log-loss" in line or "live:" in line for line in logged)


def test_what_changed_runs_as_a_task_and_a_mistake_in_the_middle_is_told_in_three_lines(
    server: str, copy_of_trained: Path, run_command: Run
) -> None:
    (copy_of_trained / "models/embedded/open_clip_model.safetensors").write_bytes(b"cut off")

    command = ("shotline", "train", "--seed", "9")
    said = run_command(*command, cwd=copy_of_trained, expect=2, env={"PREFECT_API_URL": server}).stderr

    assert "check that the weights belong to this model and are complete" in said
    assert "Traceback" not in said
    run = runs(server, "train")[-1]
    assert run["state_name"] == "Failed"
    assert states(server, run["id"]) == {"ingest": "Completed", "validate": "Completed", "features": "Failed"}


@pytest.mark.soak
def test_what_a_watcher_takes_is_seen_there(server: str, copy_of_trained: Path, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    with watching(copy_of_trained, tmp_path / "inbox", api=server) as log:
        for number in range(4):
            draw_photo(tmp_path / "teal" / f"{number}.jpg", 900 + number, hue=128)
        (tmp_path / "teal").rename(tmp_path / "inbox/teal")
        (tmp_path / "inbox/paint/teal").mkdir(parents=True)
        wait_for(lambda: runs(server, "add-class") and runs(server, "add-class")[-1]["state_type"] == "COMPLETED", log)
        (run,) = runs(server, "add-class")

    assert (run["state_name"], run["parameters"]["name"]) == ("Completed", "paint, teal")
    assert states(server, run["id"]) == dict.fromkeys(("read", "encode", "change"), "Completed")


@pytest.mark.parametrize("kind", ["deployment", "flow-run", "work-pool"])
def test_the_servers_own_commands_are_answered(server: str, run_command: Run, tmp_path: Path, kind: str) -> None:
    said = run_command("prefect", kind, "ls", cwd=tmp_path, env={"PREFECT_API_URL": server}, called=True)
    assert "Traceback" not in said.stdout + said.stderr
