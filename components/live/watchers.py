"""Watchers of a workspace's inboxes: each has a note in `reports/watchers`, and touches it while it works."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from components.files import sha256_bytes, write_json
from components.live.training import is_running, this_process
from components.workspace import Workspace

__all__ = ["Duty", "Watcher", "WatcherNote", "watchers"]

Duty = Literal["takes", "announces", "serves"]

_BEAT_S = 5.0


@dataclass(frozen=True)
class Watcher:
    """A process that watches or has watched an inbox.

    Attributes:
        inbox: the folder.
        duty: `takes` the photos itself, `announces` them to a Prefect server, or `serves` the runs that take them.
        process: its number.
        since: when it began, ISO 8601 in UTC.
        running: whether it still runs.
        silent_s: since its last look, or since it ended.
    """

    inbox: str
    duty: Duty
    process: int
    since: str
    running: bool
    silent_s: float


class WatcherNote:
    """A watcher's note about itself; a full disk does not stop the watcher.

    Args:
        workspace: whose classes it changes.
        inbox: what it watches.
        duty: see `Watcher`.
    """

    def __init__(self, workspace: Workspace, inbox: Path, duty: Duty) -> None:
        name = f"{sha256_bytes(os.fsencode(inbox))[:12]}-{duty}.json"
        self._path = _folder(workspace) / name
        self._facts = {"inbox": str(inbox), "duty": duty}
        self._beaten = 0.0

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """The note exists within the block; afterwards it says that the process no longer watches."""
        facts = {**self._facts, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        self._write({**facts, "process": this_process()})
        try:
            yield
        finally:
            self._write({**facts, "process": {"id": os.getpid(), "began": 0.0}})

    def beat(self) -> None:
        """Note the time of a look; it is written at most every few seconds."""
        if time.monotonic() - self._beaten > _BEAT_S:
            self._beaten = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def _write(self, facts: dict[str, object]) -> None:
        with contextlib.suppress(OSError):
            write_json(self._path, facts)


def watchers(workspace: Workspace) -> list[Watcher]:
    """The processes that watch or have watched inboxes for this workspace: the last of each inbox and duty."""
    found = []
    for path in sorted(_folder(workspace).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            facts = json.loads(path.read_text(encoding="utf-8"))
            silent = max(0.0, time.time() - path.stat().st_mtime)
            process = facts["process"]
            found.append(
                Watcher(facts["inbox"], facts["duty"], int(process["id"]), facts["since"], is_running(process), silent)
            )
    return found


def _folder(workspace: Workspace) -> Path:
    return workspace.reports / "watchers"
