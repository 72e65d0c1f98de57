"""The progress of a training in a file: the command that trains writes it, the service's page shows it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import psutil

from components.errors import ShotlineError
from components.files import write_json
from components.workspace import Workspace

__all__ = ["TrainingFile", "TrainingProgress", "is_running", "this_process", "training_log", "training_state"]

_EVERY_S = 0.2
_MOST_NOTES = 20
_UNFINISHED = ("starting", "running")


class _Reporter(Protocol):
    """Receives a stage's progress; see `components.stages.Reporter`."""

    def begin(self, stage: str) -> None: ...
    def progress(self, done: int, total: int, what: str) -> None: ...
    def note(self, text: str) -> None: ...
    def end(self, stage: str, seconds: float) -> None: ...


class TrainingFile:
    """The file `reports/training.json`, which nothing tracks.

    Args:
        workspace: whose training it is.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._path = workspace.reports / "training.json"

    def write(self, state: dict[str, Any]) -> None:
        """Replace it."""
        write_json(self._path, state)

    def read(self) -> dict[str, Any]:
        """What it says: `{"state": "none"}` where there was no training; see `TrainingProgress.telling`.

        If the process was killed, the state is `stopped`.
        """
        try:
            state = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {"state": "none"}
        if state.get("state") in _UNFINISHED and not is_running(state["process"]):
            return {**state, "state": "stopped"}
        return {**state}


class TrainingProgress:
    """A `components.stages.Reporter` that writes progress to the file and passes it on.

    Args:
        workspace: whose training it is.
        reporter: receives the same calls.
    """

    def __init__(self, workspace: Workspace, reporter: _Reporter) -> None:
        self._file = TrainingFile(workspace)
        self._reporter = reporter
        self._state: dict[str, Any] = {
            "state": "running",
            "process": this_process(),
            "stages": [],
            "notes": [],
            "error": None,
        }
        self._written = 0.0

    @contextlib.contextmanager
    def telling(self) -> Iterator[None]:
        """Record how the training within the block ends.

        The file holds `state` (`starting`, `running`, `done`, `failed`, `stopped`), `stages` (each `stage`, `seconds`,
        None while it runs, and `done`, `total`, `what` where it counts), `notes` (lines), `error` (`what`, `on`,
        `remedy`) and `process`.
        """
        self._write()
        try:
            yield
        except ShotlineError as error:
            self._end("failed", {"what": error.what, "on": error.on, "remedy": error.remedy})
            raise
        except Exception as error:
            told = {"what": str(error) or type(error).__name__, "on": "the training", "remedy": "see what it printed"}
            self._end("failed", told)
            raise
        except BaseException:
            self._end("stopped")
            raise
        self._end("done")

    def begin(self, stage: str) -> None:
        """Note that a stage has begun."""
        self._state["stages"].append({"stage": stage, "seconds": None})
        self._write()
        self._reporter.begin(stage)

    def progress(self, done: int, total: int, what: str) -> None:
        """Note progress of the running stage; written at most a few times per second."""
        if self._state["stages"] and self._state["stages"][-1]["seconds"] is None:
            self._state["stages"][-1] |= {"done": done, "total": total, "what": what}
            if done >= total or monotonic() - self._written > _EVERY_S:
                self._write()
        self._reporter.progress(done, total, what)

    def note(self, text: str) -> None:
        """Add a line; only the last ones are kept."""
        self._state["notes"] = [*self._state["notes"], text][-_MOST_NOTES:]
        self._write()
        self._reporter.note(text)

    def end(self, stage: str, seconds: float) -> None:
        """Note that the stage is done."""
        self._state["stages"][-1]["seconds"] = round(seconds, 2)
        self._write()
        self._reporter.end(stage, seconds)

    def _end(self, state: str, error: dict[str, str] | None = None) -> None:
        self._state |= {"state": state, "error": error}
        with contextlib.suppress(OSError):  # a full disk, which the training itself reports
            self._write()

    def _write(self) -> None:
        self._written = monotonic()
        self._file.write(self._state)


def training_state(workspace: Workspace) -> dict[str, Any]:
    """The state of the workspace's training for people: the result of `TrainingFile.read` without the process.

    A finished training also has `measured`, from `reports/metrics.json`: `head`, `top1` and `ece` (fractions from 0 to
    1), `why`, and `evidence` (`query` or `out_of_fold`).
    """
    state = TrainingFile(workspace).read()
    told = {name: value for name, value in state.items() if name != "process"}
    if state["state"] == "done":
        with contextlib.suppress(OSError, ValueError, KeyError):
            metrics = json.loads((workspace.reports / "metrics.json").read_text(encoding="utf-8"))
            told["measured"] = {**metrics["shipped"], "evidence": metrics["evidence"]}
    return {"stages": [], **told}


def this_process(pid: int | None = None) -> dict[str, float]:
    """A process's number and start time, which identify it: the number alone may be reused."""
    pid = os.getpid() if pid is None else pid
    return {"id": pid, "began": psutil.Process(pid).create_time()}


def is_running(process: dict[str, float]) -> bool:
    """Whether the process that `this_process` described still runs on this machine."""
    try:
        return this_process(int(process["id"])) == process and psutil.Process(int(process["id"])).status() != "zombie"
    except (psutil.Error, KeyError, ValueError, TypeError):
        return False


def training_log(workspace: Workspace) -> Path:
    """The file to which a training started by the service writes its terminal output."""
    return workspace.reports / "training.log"
