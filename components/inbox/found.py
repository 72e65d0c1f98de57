"""The contents of an inbox at one look."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from components.inbox.memory import Facts
from components.inbox.names import is_under_way
from components.leftovers import is_left_behind

__all__ = ["Arrival", "Found", "find", "find_within"]

Kind = Literal["file", "link", "folder", "device", "under_way"]
Signature = tuple[tuple[str, int, int, int], ...]


@dataclass(frozen=True)
class Found:
    """A file or folder in a class's folder.

    Attributes:
        path: where it lies.
        kind: what it is; `under_way` means a hidden file, or one that its program names as unfinished.
        signature: names, inodes, sizes and modification times, for a folder of everything in it; equal if unchanged.
    """

    path: Path
    kind: Kind
    signature: Signature

    def is_unchanged(self) -> bool:
        """Whether it is still as it was found."""
        return _signature(self.path) == self.signature

    @property
    def facts(self) -> Facts:
        """The facts by which it is remembered."""
        return tuple((name, size, time) for name, _, size, time in self.signature)


@dataclass(frozen=True)
class Arrival:
    """The contents of one class's folder.

    Attributes:
        name: the folder's name; empty for files beside the folders.
        found: files and folders in it, by name.
        young: names of those that were changed too recently to be judged if they look unfinished.
    """

    name: str
    found: tuple[Found, ...]
    young: frozenset[Path] = field(default=frozenset(), compare=False)

    @property
    def takable(self) -> tuple[Found, ...]:
        """All files but those still under way."""
        return tuple(each for each in self.found if each.kind != "under_way")

    def is_unchanged(self) -> bool:
        """Whether everything is still as it was found."""
        return all(each.is_unchanged() for each in self.takable)


def find_within(folder: Path) -> Iterator[Found]:
    """The contents of a class's folder, by name; empty if it cannot be read."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 (the names are compared with one another)
    except OSError:  # gone, or not readable: nothing to take
        return
    for name in names:
        if not is_left_behind(name) and (found := find(folder / name, names)):
            yield found


def find(path: Path, beside: Collection[str] = ()) -> Found | None:
    """The file or folder at a path; None if there is none.

    Args:
        path: where it lies.
        beside: names of everything in its folder.
    """
    signature = _signature(path)
    if not signature:
        return None
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return Found(path, "link", signature)
    if is_under_way(path.name, beside):
        return Found(path, "under_way", signature)
    if stat.S_ISDIR(mode):
        return Found(path, "folder", signature)
    return Found(path, "file" if stat.S_ISREG(mode) else "device", signature)


def _signature(path: Path) -> Signature:
    """Empty where there is nothing."""
    try:
        facts = path.lstat()
        rows = [("", facts.st_ino, facts.st_size, facts.st_mtime_ns)]
        if stat.S_ISDIR(facts.st_mode):
            with os.scandir(path) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    rows += [
                        (f"{entry.name}/{name}", inode, size, time)
                        for name, inode, size, time in _signature(Path(entry.path))
                    ]
        return tuple(rows)
    except OSError:
        return ()
