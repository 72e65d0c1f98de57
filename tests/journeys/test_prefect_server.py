"""A run on a Prefect server of one's own is seen there, stage by stage."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from tests.journeys.conftest import Run

STAGES = ("ingest", "validate", "features", "ldc", "classifier", "liteembed", "evaluate", "package")


def ask(api: str, path: str, **wanted: Any) -> Any:
    request = urllib.request.Request(
        f"{api}/{path}", json.dumps(wanted).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a real server's API."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path / "prefect"), "PREFECT_API_URL": ""}
    command = [str(Path(sys.executable).with_name("prefect")), "server", "start", "--port", str(port)]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
    api = f"http://127.0.0.1:{port}/api"

    @retry(retry=retry_if_exception_type(OSError), wait=wait_fixed(0.2), stop=stop_after_delay(120), reraise=True)
    def until_it_answers() -> None:
        urllib.request.urlopen(f"{api}/health", timeout=2).close()

    try:
        until_it_answers()
        yield api
    finally:
        process.terminate()
        process.wait(30)


def test_each_stage_is_a_task_with_its_state(server: str, copy_of_trained: Path, run_command: Run) -> None:
    for column in ("ran", "fails"):
        if column == "fails":
            (copy_of_trained / "models/embedded/open_clip_model.safetensors").unlink()
        run_command(
            "shotline",
            "train",
            *(("--seed", "9") if column == "ran" else ()),
            cwd=copy_of_trained,
            env={"PREFECT_API_URL": server},
            expect=0 if column == "ran" else 2,
        )
    run_command("shotline", "consolidate", cwd=copy_of_trained, env={"PREFECT_API_URL": server})
    first, second, third = ask(server, "flow_runs/filter", sort="EXPECTED_START_TIME_ASC")

    assert (first["state_name"], second["state_name"]) == ("Completed", "Failed")
    assert states(server, first["id"]) == dict.fromkeys(STAGES, "Completed")
    assert (third["state_name"], states(server, third["id"])) == ("Completed", {})  # nothing waited
    assert states(server, second["id"]) == {"ingest": "UpToDate", "validate": "UpToDate", "features": "Failed"}


def states(api: str, flow_run: str) -> dict[str, str]:
    runs = ask(api, "task_runs/filter", flow_runs={"id": {"any_": [flow_run]}})
    return {run["name"]: run["state_name"] for run in runs}
