"""The service starts a training: `shotline train` in a process of its own, which records its progress."""

from __future__ import annotations

import os
from typing import Any

from components.background import shotline_program, start_in_background
from components.errors import UserInputError
from components.live.training import TrainingFile, this_process, training_log, training_state
from components.workspace import Workspace

__all__ = ["start_training"]


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
    with workspace.turn():  # nobody else has it
        pass
    if training_state(workspace)["state"] == "starting":
        raise UserInputError("a training is about to begin", on=str(workspace.root), remedy="wait for it to end")
    command = [shotline_program(), "train", "--workspace", str(workspace.root)]
    command += [] if os.environ.get("PREFECT_API_URL") else ["--plain"]
    for option, value in (("--shots", shots), ("--seed", seed)):
        command += [] if value is None else [option, str(value)]
    log = training_log(workspace)
    log.parent.mkdir(parents=True, exist_ok=True)
    process = start_in_background(command, folder=workspace.root, log=log, detached=False)
    begun: dict[str, Any] = {"state": "starting", "stages": [], "notes": [], "error": None}
    TrainingFile(workspace).write({**begun, "process": this_process(process.pid)})  # it says more once it has begun
    return begun
