"""A command of a stage of the user's own, run as `dvc repro` runs it and ended with this process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping

__all__ = ["run_command"]

_END_S = 1.0  # what a command has to end in before it is killed


def run_command(command: str, *, folder: str, environment: Mapping[str, str]) -> int:
    """Run a shell command and return its exit code; what ends this process while it runs ends the command first.

    Args:
        command: for the user's shell.
        folder: that it runs in.
        environment: its variables, all of them.
    """
    # What it prints goes beside our notes: standard output holds our results alone. In a group of its own it hears of a
    # Ctrl-C through us.
    process = subprocess.Popen(
        [os.environ.get("SHELL") or "/bin/sh", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=2,
        process_group=0,
    )
    try:
        return process.wait()
    except BaseException:
        _end(process)
        raise


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(_END_S)
        except subprocess.TimeoutExpired:
            continue
        return
