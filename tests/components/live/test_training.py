"""How far a training is can be read by others while it runs, and how it ended afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from components.errors import UserInputError
from components.files import write_json
from components.live.training import TrainingFile, TrainingProgress, this_process, training_state
from components.workspace import Workspace


class Silent:
    """A reporter that only counts what it hears."""

    heard = 0

    def begin(self, stage: str) -> None:
        self.heard += 1

    def progress(self, done: int, total: int, what: str) -> None:
        self.heard += 1

    def note(self, text: str) -> None:
        self.heard += 1

    def end(self, stage: str, seconds: float) -> None:
        self.heard += 1


def test_stages_are_told_while_they_run_and_passed_on(tmp_path: Path) -> None:
    workspace, reporter = Workspace(tmp_path), Silent()
    assert training_state(workspace) == {"state": "none", "stages": []}
    training = TrainingProgress(workspace, reporter)
    with training.telling():
        training.begin("features")
        training.progress(3, 3, "views")
        running = training_state(workspace)
        training.end("features", 1.234)
        training.note("live: abc")
    write_json(
        workspace.reports / "metrics.json",
        {"shipped": {"head": "ldc", "top1": 0.9, "ece": 0.1, "why": "best"}, "evidence": "out_of_fold"},
    )
    done = training_state(workspace)

    assert (running["state"], running["stages"]) == (
        "running",
        [{"stage": "features", "seconds": None, "done": 3, "total": 3, "what": "views"}],
    )
    assert (done["state"], done["stages"][0]["seconds"], done["notes"]) == ("done", 1.23, ["live: abc"])
    assert (done["measured"]["top1"], done["measured"]["evidence"]) == (0.9, "out_of_fold")
    assert "process" not in done
    assert reporter.heard == 4


def test_an_error_is_kept_as_it_was_told(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    with pytest.raises(UserInputError), TrainingProgress(workspace, Silent()).telling():
        raise UserInputError("no photo", on="data/raw", remedy="put some there")
    told = training_state(workspace)

    assert (told["state"], told["error"]) == (
        "failed",
        {"what": "no photo", "on": "data/raw", "remedy": "put some there"},
    )
    with pytest.raises(KeyboardInterrupt), TrainingProgress(workspace, Silent()).telling():
        raise KeyboardInterrupt
    assert training_state(workspace)["state"] == "stopped"


def test_a_training_that_was_killed_is_stopped(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        TrainingFile(workspace).write({"state": "running", "stages": [], "process": this_process(process.pid)})
        assert training_state(workspace)["state"] == "running"
    finally:
        process.kill()
        process.wait(10)

    assert training_state(workspace)["state"] == "stopped"
