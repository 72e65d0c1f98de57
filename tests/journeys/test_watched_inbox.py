"""A watcher in a process of its own: a running service answers with what it took, and a Prefect server has it done."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from components.inbox import InboxSettings
from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from tests.support.drawn_arrivals import TEAL, cut_off, draw
from tests.support.prefect_record import ask
from tests.support.services import Service
from tests.support.watched import wait_for, watching


@contextmanager
def serving(workspace: Path, folder: Path) -> Iterator[Callable[[Sequence[Path]], Any]]:
    """`shotline serve`; asks it about photos."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / "serve.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [str(Path(sys.executable).with_name("shotline")), "serve", "--port", str(port)],
            cwd=workspace,
            env={**os.environ, "BENTOML_HOME": str(folder / "bentoml")},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(port, process.pid)

    def ask(photos: Sequence[Path]) -> Any:
        status, answers = service.post_photos([(path.name, path.read_bytes()) for path in photos])
        assert status == 200, answers
        return answers

    def answers() -> bool:
        with contextlib.suppress(OSError):
            return service.get("/classes")[0] == 200
        return False

    try:
        wait_for(answers, log, process)
        yield ask
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.soak  # a service, a watcher and their models beside each other: a minute
def test_a_running_service_answers_with_what_a_running_watcher_took(
    copy_of_trained: Path, tmp_path: Path, photo_folder: Path
) -> None:
    workspace = Workspace(copy_of_trained)
    workspace.set_parameters({"feature_store.online": True, "inbox.unfinished_s": 4.0})
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    drawn = draw(tmp_path / "drawn", TEAL)
    queries = [drawn[0], next((photo_folder / "test/red").iterdir())]
    settle_s = InboxSettings().settle_s
    with watching(copy_of_trained, inbox) as log, serving(copy_of_trained, tmp_path) as ask:
        cut_off(tmp_path / "half.jpg")
        answers = [ask(queries)]
        (inbox / "teal").mkdir()
        for path in (*drawn, tmp_path / "half.jpg"):
            shutil.copy(path, inbox / "teal")
        settled = time.monotonic() + settle_s
        while answers[-1][0]["bank"] == answers[0][0]["bank"]:
            assert time.monotonic() < settled + 60, log.read_text()
            answers.append(ask(queries))
        seconds = time.monotonic() - settled
        answers += [ask(queries) for _ in range(3)]

        # each answer is wholly the old version's or wholly the new one's, and the old does not come back
        versions = [answer["bank"] for pair in answers for answer in pair]
        assert all(pair[0]["bank"] == pair[1]["bank"] for pair in answers)
        first, last = versions[0], versions[-1]
        assert versions == [first] * versions.count(first) + [last] * versions.count(last)
        assert len({json.dumps(pair) for pair in answers}) == 2
        assert [answer["top"][0]["class"] for answer in answers[-1]] == ["teal", "red"]

        # Another test process works beside this one; benchmarks/arrival.py measures it on a quiet machine.
        assert seconds <= 30, f"{seconds:.1f} s\n{log.read_text()}"
        wait_for(lambda: list(inbox.glob(".rejected/*/reason.txt")), log)  # it may have been on its way still
        (reason,) = inbox.glob(".rejected/*/reason.txt")
        assert "teal/half.jpg\n  what: the file is cut off" in reason.read_text()
        assert sorted(path.name for path in inbox.glob(".done/*/teal/*")) == [path.name for path in drawn]
        online = workspace.feature_store / "online.json"
        wait_for(lambda: online.is_file() and json.loads(online.read_text()).get("version") == last, log)


@pytest.mark.soak
def test_an_event_through_a_prefect_server_makes_a_class_live(
    server: str, copy_of_trained: Path, tmp_path: Path
) -> None:
    inbox, pointer = tmp_path / "inbox", copy_of_trained / "models/live/current.json"
    inbox.mkdir()
    identity = Workspace(copy_of_trained).identity
    with (
        watching(copy_of_trained, inbox, api=server, command="listen") as log,
        watching(copy_of_trained, inbox, "--announce", api=server),
    ):
        wait_for(lambda: ask(server, "deployments/filter"), log)
        draw(tmp_path / "drawn/rosé 🦊", TEAL)
        shutil.copytree(tmp_path / "drawn/rosé 🦊", inbox / "rosé 🦊")
        settled = time.time() + InboxSettings().settle_s
        before = pointer.read_text()
        wait_for(lambda: pointer.read_text() != before, log)
        seconds = time.time() - settled

        assert LiveWorkspace(Workspace(copy_of_trained)).versions.all()[-1].classes == ("rosé 🦊",)
        run = wait_for(lambda: completed(server), log)
        assert run["parameters"]["name"] == "rosé 🦊"
        tasks = ask(server, "task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}}, sort="EXPECTED_START_TIME_ASC")
        assert [task["name"] for task in tasks] == ["load", "read", "encode", "change"]
        told = shares(run, tasks, settled)
        # another workspace's event is none of this one's
        events = ask(server, "events/filter", filter={"event": {"name": ["shotline.samples.arrived"]}})["events"]
        assert {event["resource"]["prefect.resource.id"] for event in events} == {f"shotline.workspace.{identity}"}
        wait_for(lambda: list(inbox.glob(".done/*/outcome.txt")), log)
    assert seconds <= 35, f"{seconds:.1f} s: {told}"


def completed(api: str) -> Any:
    """The run that the deployment has completed; None where there is none yet."""
    runs = ask(api, "flow_runs/filter", sort="START_TIME_DESC")
    return next((run for run in runs if run["deployment_id"] and run["state_name"] == "Completed"), None)


def shares(run: Any, tasks: Any, settled: float) -> dict[str, float]:
    """Seconds that each part of the way took."""

    def at(text: str) -> float:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()

    parts = {"event to run": at(run["created"]) - settled, "run to flow": at(run["start_time"]) - at(run["created"])}
    return parts | {task["name"]: at(task["end_time"]) - at(task["start_time"]) for task in tasks}
