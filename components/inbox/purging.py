"""Lists and deletes the contents of an inbox's `.done` and `.rejected`."""

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
    """A folder in `.done` or `.rejected`: the files processed at one time.

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
    """The filed folders of an inbox, oldest first, without folders of a person's own, links, and folders in change."""
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
    """The oldest folders, so many that the others have at most `most_bytes`."""
    excess, found = sum(each.size_bytes for each in folders) - most_bytes, []
    for each in folders:
        if excess <= 0:
            break
        found.append(each)
        excess -= each.size_bytes
    return found


def remove(folders: Sequence[FiledFolder]) -> None:
    """Delete the folders with all their contents; links in them are removed, their targets stay.

    Raises:
        OSError: one cannot be deleted.
    """
    for each in folders:
        shutil.rmtree(each.path)
