"""Commands that the service starts in processes of their own: `shotline train`, which records its progress, and `track`."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from components.errors import UserInputError
from components.live.settings import TrackingSettings
from components.live.training import TrainingFile, this_process, training_log, training_state
from components.workspace import Workspace

__all__ = ["start_tracking", "start_training"]

_KEPT_TO_US = ("SHOTLINE_ADMIN_", "PROMETHEUS_MULTIPROC", "BENTOML_")
_started: list[subprocess.Popen[bytes]] = []  # kept, so that Python does not complain of children that still run


def start_training(workspace: Workspace, *, shots: int | None = None, seed: int | None = None) -> dict[str, Any]:
    """Start it, and return at once; `components.live.training.training_state` gives its progress.

    Without a Prefect server (`PREFECT_API_URL`) it runs the same stages without Prefect, whose temporary server takes
    twenty seconds to start.

    Args:
        workspace: what is trained: `data/raw` as it is.
        shots: labelled photos per class, 0 takes all; None: as `params.yaml` says.
        seed: which photos are drawn; None: as `params.yaml` says.

    Raises:
        UserInputError: a training is at work, or `shotline` is not installed here, as in a Bento's environment.
    """
    _started[:] = [process for process in _started if process.poll() is None]
    with workspace.turn():  # nobody else has it
        pass
    if training_state(workspace)["state"] == "starting":
        raise UserInputError("a training is about to begin", on=str(workspace.root), remedy="wait for it to end")
    command = [_program(), "train", "--workspace", str(workspace.root)]
    command += [] if os.environ.get("PREFECT_API_URL") else ["--plain"]
    for option, value in (("--shots", shots), ("--seed", seed)):
        command += [] if value is None else [option, str(value)]
    log = training_log(workspace)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=workspace.root,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    _started.append(process)
    begun: dict[str, Any] = {"state": "starting", "stages": [], "notes": [], "error": None}
    TrainingFile(workspace).write({**begun, "process": this_process(process.pid)})  # it says more once it has begun
    return begun


def start_tracking(workspace: Workspace) -> None:
    """Start `shotline track` after a change; where it cannot be started, `shotline status` says what is behind."""
    if not workspace.parameters.section("tracking", TrackingSettings).arrivals:
        return
    _started[:] = [process for process in _started if process.poll() is None]
    # A Bento's environment has no such program; what is live is live.
    with contextlib.suppress(UserInputError, OSError):
        _started.append(
            subprocess.Popen(
                [_program(), "track", "--workspace", str(workspace.root)],
                cwd=workspace.root,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C that ends the service must not end it
            )
        )


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_TO_US)}


def _program() -> str:
    beside = Path(sys.executable).with_name("shotline")
    program = str(beside) if beside.is_file() else shutil.which("shotline")
    if program is None:
        raise UserInputError(
            "the program `shotline` is not installed here",
            on=sys.prefix,
            remedy="train where it is: shotline train; this service follows what becomes live",
        )
    return program
