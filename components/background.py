"""Processes of their own for what nobody should wait for."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from components.errors import UserInputError

__all__ = ["shotline_program", "start_in_background"]

_NICE = 10  # they are in nobody's way
# What a service's processes tell each other by: a process that is none of them must not see it.
_KEPT_TO_US = ("SHOTLINE_ADMIN_", "PROMETHEUS_MULTIPROC", "BENTOML_")

_started: list[subprocess.Popen[bytes]] = []  # kept, so that Python does not complain of children that still run


def start_in_background(
    command: Sequence[str], *, folder: Path, log: Path | None = None, detached: bool = True
) -> subprocess.Popen[bytes]:
    """Start it and return at once.

    Args:
        command: program and arguments.
        folder: that it runs in.
        log: file for what it prints; None: nobody wants it.
        detached: it gives way to others, and a Ctrl-C that ends this process does not end it.

    Raises:
        OSError: it cannot be started.
    """
    _started[:] = [process for process in _started if process.poll() is None]
    with (log or Path(os.devnull)).open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={name: value for name, value in os.environ.items() if not name.startswith(_KEPT_TO_US)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=detached,
        )
    if detached:
        with contextlib.suppress(OSError):  # it has ended already
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICE)
    _started.append(process)
    return process


def shotline_program() -> str:
    """The program `shotline` of this installation.

    Raises:
        UserInputError: there is none, as in a Bento's environment.
    """
    beside = Path(sys.executable).with_name("shotline")
    program = str(beside) if beside.is_file() else shutil.which("shotline")
    if program is None:
        raise UserInputError(
            "the program `shotline` is not installed here",
            on=sys.prefix,
            remedy="run the command where it is; a service follows what becomes live",
        )
    return program
