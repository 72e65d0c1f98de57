"""DVC is told of an arrival by a process that begins where it is behind, and only there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from components.workspace import Workspace
from flows import tracking
from flows.dvc import Pipeline


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A ledger and a photo of an arrival, DVC, no git; other photos of which DVC is told nothing here."""
    root = tmp_path / "workspace"
    for name in ("data/raw/red/0.jpg", "data/arrivals/photos/ab/abc", "data/arrivals/ledger.jsonl"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{name}\n")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (root / "params.yaml").write_text("{}\n")
    (root / "dvc.yaml").write_text("stages: {}\n")
    return Workspace(root)


def test_it_is_started_where_dvc_is_behind(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Process:
        def __init__(self, command: list[str], **_: object) -> None:
            started.append(command)

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(tracking, "subprocess", SimpleNamespace(Popen=Process, DEVNULL=subprocess.DEVNULL))
    tracking.keep_tracked(workspace)
    assert started == [[sys.executable, "-P", "-m", "flows.tracking", str(workspace.root)]]

    assert tracking.track_arrivals(workspace)  # what the process does
    out = yaml.safe_load((workspace.arrivals / "photos.dvc").read_text())["outs"][0]
    assert (out["nfiles"], out["path"]) == (1, "photos")
    assert not (workspace.root / "data/raw.dvc").exists()
    assert not tracking.track_arrivals(workspace)
    tracking.keep_tracked(workspace)
    assert len(started) == 1

    workspace.ledger.write_text("one line more\n")
    tracking.keep_tracked(workspace)
    assert len(started) == 2
    (workspace.root / "params.yaml").write_text("tracking: {arrivals: false}\n")
    tracking.keep_tracked(Workspace(workspace.root))
    assert len(started) == 2


def test_it_waits_for_another_command_of_dvcs(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    from components.errors import UserInputError

    tries: list[int] = []
    real = Pipeline.track_arrivals

    def busy_at_first(pipeline: Pipeline) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise UserInputError("another run or dvc command is at work here", on="", remedy="")
        real(pipeline)

    monkeypatch.setattr(Pipeline, "track_arrivals", busy_at_first)
    monkeypatch.setattr("flows.tracking.time.sleep", lambda seconds: None)
    assert tracking.track_arrivals(workspace)
    assert len(tries) == 3
    assert (workspace.arrivals / "ledger.jsonl.dvc").is_file()
