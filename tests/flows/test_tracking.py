"""DVC is told of an arrival by a process that begins where it is behind, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components import background
from components.live import keeping_tracked
from components.live.keeping_tracked import keep_tracked
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


def test_it_is_started_where_dvc_is_behind(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "shotline"
    program.write_text('#!/bin/sh\necho "$@" >> started\n')
    program.chmod(0o755)
    monkeypatch.setattr(keeping_tracked, "shotline_program", lambda: str(program))

    def started() -> list[str]:
        assert all(process.wait(30) == 0 for process in background._started)
        return (workspace.root / "started").read_text().splitlines()

    keep_tracked(workspace)
    assert [line.split() for line in started()] == [["track", "--workspace", str(workspace.root)]]

    assert tracking.track_arrivals(workspace)  # what the process does
    out = yaml.safe_load((workspace.arrivals / "photos.dvc").read_text())["outs"][0]
    assert (out["nfiles"], out["path"]) == (1, "photos")
    assert not (workspace.root / "data/raw.dvc").exists()
    assert not tracking.track_arrivals(workspace)
    keep_tracked(workspace)
    assert len(started()) == 1

    workspace.ledger.write_text("one line more\n")
    keep_tracked(workspace)
    assert len(started()) == 2
    (workspace.root / "params.yaml").write_text("tracking: {arrivals: false}\n")
    keep_tracked(Workspace(workspace.root))
    assert len(started()) == 2


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
