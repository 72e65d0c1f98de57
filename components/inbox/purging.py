"""What `.done` and `.rejected` of an inbox hold, and their end."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.inbox.memory import Ending

__all__ = ["FiledFolder", "beyond", "filed_folders", "remove"]

_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d+)?")  # as `Filing` names them
_UNDER_WAY_S = 60.0


@dataclass(frozen=True)
class FiledFolder:
    """A folder of `.done` or `.rejected`: what was dealt with at one time.

    Attributes:
        path: the folder; its name is the time.
        ending: `done` or `rejected`.
        files: how many lie in it.
        size_bytes: of them all.
    """

    path: Path
    ending: Ending
    files: int
    size_bytes: int


def filed_folders(inbox: Path) -> list[FiledFolder]:
    """Those of an inbox, oldest first. What a person has put there, links, and what changes just now is left out."""
    found = []
    endings: tuple[Ending, ...] = ("done", "rejected")
    for ending in endings:
        parent = inbox / f".{ending}"
        if parent.is_symlink() or not parent.is_dir():
            continue
        for path in parent.iterdir():
            if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink():
                sizes = [Path(here, name).lstat().st_size for here, _, files in os.walk(path) for name in files]
                if time.time() - path.stat().st_mtime > _UNDER_WAY_S:
                    found.append(FiledFolder(path, ending, len(sizes), sum(sizes)))
    return sorted(found, key=lambda each: (each.path.name, each.ending))


def beyond(folders: Sequence[FiledFolder], most_bytes: int) -> list[FiledFolder]:
    """The oldest ones without which the rest are no more than `most_bytes`."""
    excess, found = sum(each.size_bytes for each in folders) - most_bytes, []
    for each in folders:
        if excess <= 0:
            break
        found.append(each)
        excess -= each.size_bytes
    return found


def remove(folders: Sequence[FiledFolder]) -> None:
    """Delete them, with all that lies in them; links in them go, not what they lead to.

    Raises:
        OSError: one cannot be deleted.
    """
    for each in folders:
        shutil.rmtree(each.path)
