"""What a Prefect server starts by itself, by events and by the clock, also where it is killed; and the lines of docs/prefect.md."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest

from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from tests.conftest import REPOSITORY, draw_photo
from tests.support.expert_commands import PREFECT
from tests.support.prefect_record import ask, runs, state_of
from tests.support.prefect_servers import prefect_server
from tests.support.stories import Run
from tests.support.watched import wait_for, watching

_number = iter(range(7000, 10**6))


def draw(folder: Path, hue: int, photos: int = 4) -> None:
    """Photos of a colour, all different from any before."""
    for number in range(photos):
        draw_photo(folder / f"{number}.jpg", next(_number), hue=hue)


@pytest.mark.soak
@pytest.mark.parametrize("by", ["watcher", "events"])
def test_fifty_arrivals_at_once_are_live_or_refused_and_announced_once(
    server: str, copy_of_trained: Path, tmp_path: Path, by: str
) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    names = [f"kind {number}" for number in range(50)]
    for number, name in enumerate(names):
        draw(tmp_path / "drawn" / name, 5 * number, photos=3)
    with (
        watching(copy_of_trained, inbox, **({"api": server, "command": "listen"} if by == "events" else {})) as log,
        watching(copy_of_trained, inbox, "--announce", api=server)
        if by == "events"
        else watching_nothing() as announced,
    ):
        for name in names:
            (tmp_path / "drawn" / name).rename(inbox / name)
        began = datetime.now().astimezone()
        wait_for(lambda: is_empty(inbox), log, limit_s=600)

    live = LiveWorkspace(Workspace(copy_of_trained))
    entries = live.ledger.entries()
    bank = live.versions.load(live.versions.in_use())[1]
    refused = {path.name for path in inbox.glob(".rejected/*/*") if path.is_dir()}
    assert sorted(bank.names) == sorted(entry.name for entry in entries)
    assert Counter([*bank.names, *refused]) == Counter(names)
    photos = [photo for entry in entries for photo in entry.photos]
    assert len(photos) == len(set(photos)) == 3 * len(entries)
    if by == "events":
        said = re.findall(r"announced: (.*)", announced.read_text())
        assert Counter(", ".join(said).split(", ")) == Counter(names)
    seconds = sorted((datetime.fromisoformat(entry.time) - began).total_seconds() for entry in entries)
    told = (
        f"{by}: {len(entries)} live, {len(refused)} refused; seconds to live: {seconds[0]:.1f} to {seconds[-1]:.1f}\n"
    )
    sys.stdout.write(told)


def is_empty(inbox: Path) -> bool:
    """Whether no class's folder holds a file; folders may go meanwhile."""
    return not any(files for here, _, files in os.walk(inbox) if here != str(inbox) and f"{inbox}/." not in here)


@contextmanager
def watching_nothing() -> Iterator[Path]:
    yield Path()


@pytest.mark.soak
def test_what_listens_ends_though_its_server_is_gone(copy_of_trained: Path, tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    with prefect_server(tmp_path) as (api, process):
        with watching(copy_of_trained, tmp_path / "inbox", api=api, command="listen") as log:
            wait_for(lambda: ask(api, "deployments/filter"), log)
            process.kill()
            process.wait()
            began = time.monotonic()
        assert time.monotonic() - began < 5, log.read_text()


@pytest.mark.soak
def test_a_server_that_is_restarted_in_the_middle_loses_no_arrival(copy_of_trained: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    with ExitStack() as first, ExitStack() as second:
        api, process = first.enter_context(prefect_server(tmp_path))
        log = second.enter_context(watching(copy_of_trained, inbox, api=api, command="listen"))
        second.enter_context(watching(copy_of_trained, inbox, "--announce", api=api))
        draw(tmp_path / "teal", 128)
        (tmp_path / "teal").rename(inbox / "teal")
        wait_for(lambda: [run for run in runs(api, "add-class") if run["state_type"] == "RUNNING"], log, limit_s=300)
        process.kill()
        process.wait()
        draw(tmp_path / "lime", 75)
        (tmp_path / "lime").rename(inbox / "lime")
        with prefect_server(tmp_path, int(api.split(":")[2].partition("/")[0])):
            wait_for(lambda: is_empty(inbox), log, limit_s=600)
            second.close()

    live = LiveWorkspace(Workspace(copy_of_trained))
    entries = live.ledger.entries()
    assert sorted(live.versions.load(live.versions.in_use())[1].names) == ["lime", "teal"]
    assert sorted(entry.name for entry in entries) == ["lime", "teal"]


@pytest.mark.soak
def test_a_schedule_fires_and_a_run_that_is_killed_is_called_crashed(
    server: str, copy_of_trained: Path, tmp_path: Path
) -> None:
    Workspace(copy_of_trained).set_parameters({"ldc.epochs": 2000, "ingest.seed": 3})  # long enough to be killed
    (tmp_path / "inbox").mkdir()
    before = {run["id"] for run in runs(server, "train")}
    with deployed(server, copy_of_trained, tmp_path / "inbox", "--train-cron", "* * * * *", ends=False) as (
        log,
        process,
    ):

        def scheduled() -> list[dict[str, Any]]:
            return [run for run in runs(server, "train") if run["id"] not in before and run["state_type"] == "RUNNING"]

        (run,) = wait_for(scheduled, log, limit_s=300)[:1]
        alive = {
            "event": {"name": ["prefect.flow-run.heartbeat"]},
            "resource": {"id": [f"prefect.flow-run.{run['id']}"]},
        }
        wait_for(lambda: ask(server, "events/filter", filter=alive)["events"], log, limit_s=120)
        for each in (*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)):
            each.kill()  # all of them: nobody is left who could tell the server
        killed = time.monotonic()
        wait_for(lambda: state_of(server, run["id"]) == "CRASHED", log, limit_s=240)
        seconds = time.monotonic() - killed
    sys.stdout.write(f"called crashed after {seconds:.0f} s; run {run['name']} by {run['created_by']['type']}\n")
    assert run["auto_scheduled"]
    assert seconds < 150  # three heartbeats, and what a busy machine adds


class Messages(HTTPServer):
    """Where a webhook's messages arrive."""

    def __init__(self) -> None:
        self.received: list[dict[str, str]] = []
        super().__init__(("127.0.0.1", 0), _Hook)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Hook(BaseHTTPRequestHandler):
    server: Messages

    def do_POST(self) -> None:
        self.server.received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


def webhook(api: str, url: str) -> None:
    """A notification block of Prefect's, `custom-webhook/shotline`, that posts there."""
    (kind,) = ask(api, "block_types/filter", block_types={"slug": {"any_": ["custom-webhook"]}})[:1] or [None]
    (schema,) = ask(api, "block_schemas/filter", block_schemas={"block_type_id": {"any_": [kind["id"]]}})[:1]
    body = {"subject": "{{subject}}", "body": "{{body}}"}
    ask(
        api,
        "block_documents/",
        name="shotline",
        block_type_id=kind["id"],
        block_schema_id=schema["id"],
        data={"name": "shotline", "url": url, "method": "POST", "json_data": body},
    )


@pytest.mark.soak
def test_events_start_flows_and_send_messages_and_the_servers_commands_show_them(
    server: str, copy_of_trained: Path, tmp_path: Path, run_command: Run
) -> None:
    Workspace(copy_of_trained).set_parameters({"inbox.consolidate_after": 4, "inbox.unfinished_s": 2.0})
    inbox, messages = tmp_path / "inbox", Messages()
    inbox.mkdir()
    webhook(server, f"http://127.0.0.1:{messages.server_port}")
    environment = {"PREFECT_API_URL": server}
    with (
        deployed(server, copy_of_trained, inbox, "--notify", "custom-webhook/shotline") as (log, _),
        watching(copy_of_trained, inbox, "--announce", api=server),
    ):
        draw(tmp_path / "drawn", 128)
        (tmp_path / "drawn").rename(inbox / "teal")
        draw(tmp_path / "named", 128, photos=1)
        (tmp_path / "named").rename(inbox / "paint\\teal")
        wait_for(lambda: messages.received, log, limit_s=300)
        wait_for(lambda: runs(server, "consolidate"), log, limit_s=300)
        wait_for(lambda: state_of(server, runs(server, "consolidate")[-1]["id"]) == "COMPLETED", log, limit_s=600)
        for command, printed in PREFECT:
            done = run_command(*shlex.split(command), cwd=copy_of_trained, env=environment | {"COLUMNS": "100"})
            sys.stdout.write(f"$ {command}\n{done.stdout}\n")
            assert re.search(printed, done.stdout + done.stderr), f"{command}\n{done.stdout}\n{done.stderr}"

    assert "photos were refused" in messages.received[0]["subject"]
    assert "the name holds" in messages.received[0]["body"]
    assert "add-class paint\\teal, teal" in {run["name"] for run in runs(server, "add-class")}
    artifacts = ask(server, "artifacts/filter")
    assert {"arrived", "heads", "verdict"} <= {each["key"] for each in artifacts}


@contextmanager
def deployed(
    api: str, workspace: Path, inbox: Path, *options: str, ends: bool = True
) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """`shotline deploy INBOX`, serving; its log, and its process, which the story ends itself where `ends` is False."""
    log = inbox.with_name("deploy.log")
    environment = {**os.environ, "PREFECT_API_URL": api, "PREFECT_HOME": str(inbox.with_name("home"))}
    program = [str(Path(sys.executable).with_name("shotline")), "deploy", str(inbox), *options]
    with log.open("wb") as file:
        process = subprocess.Popen(program, cwd=workspace, env=environment, stdout=file, stderr=file)
    try:
        wait_for(lambda: "serving them" in log.read_text(), log, process)
        yield log, process
    finally:
        (process.terminate if ends else process.kill)()
        process.wait(60)


@pytest.mark.soak
def test_the_page_s_commands_and_prefect_yaml_do_what_is_said(
    server: str, copy_of_trained: Path, tmp_path: Path, run_command: Run
) -> None:
    """The lines of `docs/prefect.md`, each as it stands there."""
    (copy_of_trained / "inbox").mkdir()
    page = (REPOSITORY / "docs/prefect.md").read_text()
    first, second = (_lines_of(block) for block in re.findall(r"(?s)\n```\n(.*?)```", page))
    identity = f"{copy_of_trained.name}-{Workspace(copy_of_trained).identity[:8]}"
    environment = {
        "PREFECT_API_URL": server,
        "PREFECT_HOME": str(tmp_path / "home"),
        "PWD": str(copy_of_trained),
        "SHOTLINE_INBOX": str(copy_of_trained / "inbox"),
    }
    ended: list[subprocess.Popen[bytes]] = []
    try:
        for line in [*first, *second]:
            words = shlex.split(line.replace("WORKSPACE-IDENTITY", identity))
            if words[:3] == ["prefect", "server", "start"] or words[0] == "export":
                continue  # the story's own
            if (begun := _SERVES.get(" ".join(words[:2]))) is not None:
                ended.append(_started(words, copy_of_trained, environment, tmp_path / f"{words[1]}.log", begun))
                continue
            run_command(*words, cwd=copy_of_trained, env=environment, timeout_s=900)
        by_hand = {run["deployment_id"] for run in runs(server, "train") if run["deployment_id"]}
        assert len(by_hand) == 2  # of `shotline deploy`, and of prefect.yaml
        wait_for(
            lambda: {run["state_type"] for run in runs(server, "train")} == {"COMPLETED"},
            tmp_path / "worker.log",
            limit_s=900,
        )
    finally:
        for process in reversed(ended):
            process.terminate()
            process.wait(60)
    written = {
        each["name"]: each for each in ask(server, "deployments/filter", flows={"name": {"any_": ["add-class"]}})
    }
    assert written["shotline"]["parameters"] == written[identity]["parameters"]


_SERVES = {"shotline deploy": "serving them", "shotline watch": "announcing", "prefect worker": "started"}
"""Commands of the page that do not end, and what they print once they serve."""


def _started(
    words: Sequence[str], workspace: Path, environment: dict[str, str], log: Path, begun: str
) -> subprocess.Popen[bytes]:
    program = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
    with log.open("wb") as file:
        process = subprocess.Popen(program, cwd=workspace, env={**os.environ, **environment}, stdout=file, stderr=file)
    wait_for(lambda: begun in log.read_text(), log, process)
    return process


def _lines_of(block: str) -> Sequence[str]:
    return [line.partition("  #")[0].strip() for line in block.strip().splitlines()]
