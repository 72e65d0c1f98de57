"""DVC is told of an arrival once it is live, by a process of its own: nobody waits for it, and `dvc push` has the photos.

A command that has moved the pointer starts `python -m flows.tracking WORKSPACE`, detached; a service starts `shotline
track`. What it could not do is done by the next change, or the next training, which tells DVC of everything in any case;
`shotline status` says what is behind.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

from components.errors import ShotlineError
from components.live.settings import TrackingSettings
from components.workspace import Workspace

__all__ = ["keep_tracked", "track_arrivals"]

_PATIENCE_S = 120.0
_AGAIN_S = 2.0

_started: list[subprocess.Popen[bytes]] = []  # kept, so that Python does not complain of children that still run


def keep_tracked(workspace: Workspace) -> None:
    """Start the process where the ledger is another one than DVC was told of."""
    if not workspace.parameters.section("tracking", TrackingSettings).arrivals or not _is_behind(workspace):
        return
    _started[:] = [process for process in _started if process.poll() is None]
    try:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "flows.tracking", str(workspace.root)],  # -P: nothing of the current folder
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C that ends the command must not end it
        )
    except OSError:  # what is live is live; this can wait
        return
    _started.append(process)


def track_arrivals(workspace: Workspace) -> bool:
    """Tell DVC of the workspace's arrivals, as soon as no other command of it is at work there; False if it knew them all."""
    if not _is_behind(workspace):
        return False
    from flows.dvc import Pipeline

    deadline = time.monotonic() + _PATIENCE_S
    while _is_behind(workspace):
        try:
            Pipeline(workspace).track_arrivals()
        except ShotlineError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
    return True


def _is_behind(workspace: Workspace) -> bool:
    """Whether the ledger differs from what `ledger.jsonl.dvc` says of it; read without DVC, which takes a second."""
    told = workspace.ledger.with_name(f"{workspace.ledger.name}.dvc")
    if not (workspace.root / ".dvc").is_dir() or not workspace.ledger.is_file():
        return False
    digest = hashlib.md5(workspace.ledger.read_bytes(), usedforsecurity=False).hexdigest()
    return not told.is_file() or f"md5: {digest}\n" not in told.read_text(encoding="utf-8")


if __name__ == "__main__":
    os.nice(10)
    track_arrivals(Workspace(Path(sys.argv[1])))
