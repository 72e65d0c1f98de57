"""The temporary Prefect server that a command begins: flows run on it, and it ends with the process that began it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_SERVER_EPHEMERAL_ENABLED, temporary_settings

from flows import temporary_server
from flows.prefect_server import server_url

RUN = """
import sys, time
from flows.temporary_server import begin_temporary_server, own_server
begin_temporary_server()
from prefect import flow
from prefect.client.orchestration import get_client
from flows.prefect_server import server_url
from flows.running import in_this_process

@flow
def empty():
    with get_client(sync_client=True) as client:
        return str(client.api_url), server_url()

with in_this_process():
    api, named = empty()
    assert named == "", "others see nothing of it"
assert api.strip("/") == own_server(), (api, own_server())
assert "prefect.server.api.server" not in sys.modules, "the server's code is loaded here too"
print(own_server(), flush=True)
time.sleep(60)
"""


def test_a_flow_runs_on_it_and_it_ends_with_a_killed_process(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    environment["PREFECT_HOME"] = str(tmp_path)
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "__init__.py").write_text("raise SystemExit('a package of the same name')")
    with subprocess.Popen(
        [sys.executable, "-P", "-c", RUN], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert _answers(url)
        finally:
            process.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while _answers(url) and time.monotonic() < end:
        time.sleep(0.1)
    assert not _answers(url)


def _answers(url: str) -> bool:
    with contextlib.suppress(urllib.error.URLError, ConnectionError):
        urllib.request.urlopen(f"{url}/health", timeout=5).close()
        return True
    return False


@pytest.mark.parametrize(("url", "allowed"), [("http://127.0.0.1:1/api", True), ("", False)])
def test_none_is_begun_where_a_server_is_named_or_none_may_start(
    monkeypatch: pytest.MonkeyPatch, url: str, allowed: bool
) -> None:
    monkeypatch.setattr(temporary_server, "_begun", [])
    with temporary_settings({PREFECT_API_URL: url, PREFECT_SERVER_EPHEMERAL_ENABLED: allowed}):
        temporary_server.begin_temporary_server()
    assert temporary_server.own_server() == ""


def test_one_that_ended_is_not_waited_for_nor_taken_for_one_that_others_look_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    monkeypatch.setattr(temporary_server, "_begun", [("http://127.0.0.1:1/api", process)])

    assert temporary_server.temporary_server() == ""
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api"}):
        assert server_url() == ""
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:2/api"}):
        assert server_url() == "http://127.0.0.1:2/api"


def test_one_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setattr(temporary_server, "_begun", [("http://127.0.0.1:1/api", process)])
    monkeypatch.setattr(temporary_server, "STARTUP_S", 0)

    assert temporary_server.temporary_server() == ""
    assert process.wait(5) == -signal.SIGKILL
