"""Feast's online store, brought up to date after what is live has changed, by a process of its own.

Importing Feast takes five seconds, which nobody who adds a class should wait for, and neither should a watcher or a
service hold Feast in its memory. So whoever has moved the pointer starts `python -m components.live.keeping_online
WORKSPACE`, detached: it goes on when the command has ended. One such process works at a time; it writes until the pointer stands still. What
it could not do is noted, and told and tried again by the next `shotline` command that looks at the classes.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import subprocess
import sys
from pathlib import Path

from components.errors import ShotlineError
from components.live.online import OnlineClasses
from components.store import StoreSettings
from components.workspace import Workspace

__all__ = ["keep_online"]

_log = logging.getLogger(__name__)

# Where Feast keeps its metrics: one that is imported here names a folder that goes when this process ends.
_OF_THIS_PROCESS = ("PROMETHEUS_MULTIPROCESS_DIR", "PROMETHEUS_MULTIPROC_DIR")

_started: list[subprocess.Popen[bytes]] = []  # kept, so that Python does not complain of children that still run


def keep_online(workspace: Workspace) -> str | None:
    """Start the process where the online store is behind what is live; why the last one failed, None if it did not."""
    online = OnlineClasses(workspace)
    wanted = workspace.parameters.section("feature_store", StoreSettings).online and online.is_behind()
    if not wanted or importlib.util.find_spec("feast") is None:  # a Bento's environment has none
        return None
    failure = online.failure()
    _started[:] = [process for process in _started if process.poll() is None]
    try:
        with (workspace.feature_store / "online.log").open("wb") as log:
            process = subprocess.Popen(
                # -P: nothing of the current folder
                [sys.executable, "-P", "-m", "components.live.keeping_online", str(workspace.root)],
                env={name: value for name, value in os.environ.items() if name not in _OF_THIS_PROCESS},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a Ctrl-C that ends the command must not end it
            )
    except OSError as error:  # what is live is live; this can wait
        return f"it cannot be started: {error.strerror}"
    _started.append(process)
    return failure


def main(root: Path) -> None:
    """Bring the online store of the workspace `root` up to date; three attempts."""
    from tenacity import Retrying, stop_after_attempt, wait_exponential

    online = OnlineClasses(Workspace(root))
    try:
        attempts = Retrying(stop=stop_after_attempt(3), wait=wait_exponential(max=30), reraise=True)
        version = attempts(online.bring_up_to_date)
    except Exception as error:  # any of a store's own; it is told by the next command
        online.note_failure(error.what if isinstance(error, ShotlineError) else f"{type(error).__name__}: {error}")
        raise
    if version is not None:
        _log.info("the online store has %s", version)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main(Path(sys.argv[1]))
