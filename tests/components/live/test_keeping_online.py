"""The online store is brought up to date by a process of its own, started only where there is something to write."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from components.files import write_json
from components.live import keeping_online
from components.live.online import OnlineClasses
from components.workspace import Workspace


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    commands: list[list[str]] = []
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", "/a/folder/that/goes/with/this/process")  # as Feast sets it

    class Process:
        def __init__(self, command: list[str], **options: Any) -> None:
            assert options["start_new_session"]
            assert not [name for name in options["env"] if name.startswith("PROMETHEUS")]
            assert options["env"]["PATH"]
            commands.append(command)

        def poll(self) -> int:
            return 0

        pid = 0

    monkeypatch.setattr("components.background.subprocess.Popen", Process)
    monkeypatch.setattr("components.background.os.setpriority", lambda *_: None)
    return commands


def workspace(root: Path, parameters: str = "{}", moved: str = "2026-01-01") -> Workspace:
    (root / "params.yaml").write_text(parameters)
    (root / "data/feature_store").mkdir(parents=True, exist_ok=True)
    write_json(root / "models/live/current.json", {"version": "abc", "entry": 0, "moved": moved})
    return Workspace(root)


def test_it_is_started_where_the_store_is_behind_and_only_there(tmp_path: Path, started: list[list[str]]) -> None:
    place = workspace(tmp_path)
    assert keeping_online.keep_online(place) is None
    assert started == [[sys.executable, "-P", "-m", "components.live.keeping_online", str(tmp_path)]]

    write_json(place.feature_store / "online.json", {"version": "abc", "moved": "2026-01-01", "layout": 3})
    keeping_online.keep_online(place)
    assert len(started) == 1

    keeping_online.keep_online(workspace(tmp_path, moved="2026-01-02"))
    assert len(started) == 2


def test_it_can_be_turned_off_and_waits_for_something_live(tmp_path: Path, started: list[list[str]]) -> None:
    keeping_online.keep_online(workspace(tmp_path, "feature_store: {online: false}"))
    (tmp_path / "models/live/current.json").unlink()
    (tmp_path / "params.yaml").write_text("{}")
    keeping_online.keep_online(Workspace(tmp_path))

    assert started == []


def test_it_tries_three_times_and_the_next_who_starts_it_hears_why(
    tmp_path: Path, started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, attempts = workspace(tmp_path), []

    def fail(self: OnlineClasses) -> None:
        attempts.append(1)
        raise RuntimeError("database is locked")

    monkeypatch.setattr(OnlineClasses, "bring_up_to_date", fail)
    monkeypatch.setattr("tenacity.nap.time.sleep", lambda seconds: None)
    with pytest.raises(RuntimeError):
        keeping_online.main(tmp_path)

    assert len(attempts) == 3
    assert keeping_online.keep_online(place) == "RuntimeError: database is locked"
    assert len(started) == 1
