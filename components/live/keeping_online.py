"""Brings Feast's online store up to date after a change of what is live, in a process of its own.

Importing Feast takes five seconds. A person who adds a class should not wait for it, and a watcher or service should
not hold Feast in memory. So the process that has moved the pointer starts `python -m components.live.keeping_online
WORKSPACE`, detached, which continues after the command has ended. Only one such process works at a time; it writes
until the store has the live version. A failure is recorded; the next `shotline` command that looks at the classes
reports it and tries again.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
from pathlib import Path

from components.background import start_in_background
from components.errors import ShotlineError
from components.live.online import OnlineClasses
from components.store import StoreSettings
from components.workspace import Workspace

__all__ = ["keep_online"]

_log = logging.getLogger(__name__)


def keep_online(workspace: Workspace) -> str | None:
    """Start the process if the online store is behind; returns why the last one failed, None if it did not."""
    online = OnlineClasses(workspace)
    wanted = workspace.parameters.section("feature_store", StoreSettings).online and online.is_behind()
    if not wanted or importlib.util.find_spec("feast") is None:  # a Bento's environment has none
        return None
    failure = online.failure()
    # -P: modules in the current folder must not be imported
    command = [sys.executable, "-P", "-m", "components.live.keeping_online", str(workspace.root)]
    try:
        start_in_background(command, folder=workspace.root, log=workspace.feature_store / "online.log")
    except OSError as error:  # the change is live already; this can be done later
        return f"it cannot be started: {error.strerror}"
    return failure


def main(root: Path) -> None:
    """Bring the online store of the workspace `root` up to date; three attempts."""
    from tenacity import Retrying, stop_after_attempt, wait_exponential

    online = OnlineClasses(Workspace(root))
    try:
        attempts = Retrying(stop=stop_after_attempt(3), wait=wait_exponential(max=30), reraise=True)
        version = attempts(online.bring_up_to_date)
    except Exception as error:  # any error of a store; the next command reports it
        online.note_failure(error.what if isinstance(error, ShotlineError) else f"{type(error).__name__}: {error}")
        raise
    if version is not None:
        _log.info("the online store has %s", version)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    main(Path(sys.argv[1]))
