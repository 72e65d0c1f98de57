"""A folder with one folder per class, and the lock of the process that takes from it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from components.errors import UserInputError
from components.inbox.filing import Filing
from components.inbox.found import Arrival, Found, find, find_within
from components.inbox.memory import Memory
from components.leftovers import is_left_behind

__all__ = ["Inbox"]


class Inbox:
    """A folder with a folder per class.

    Args:
        folder: must be there.

    Raises:
        UserInputError: it is no folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise UserInputError(
                "the inbox is no folder", on=str(folder), remedy="make it: it gets a folder per class, with photos"
            )
        self.folder = folder.resolve()
        self._lock = FileLock(self.folder / ".watched.lock")
        self._memory = Memory(self.folder / ".taken.json")

    @contextlib.contextmanager
    def only_one(self) -> Iterator[None]:
        """The context of the one process that takes from the inbox: two would take the same photos.

        Files that an earlier process could not move are moved now if possible.

        Raises:
            UserInputError: another process takes from it, or nothing can be written there.
        """
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise UserInputError(
                "another process watches this inbox", on=str(self.folder), remedy="end it, or leave the inbox to it"
            ) from None
        except OSError as error:
            raise UserInputError(
                f"nothing can be written into the inbox ({error.strerror}), and what is taken is moved within it",
                on=str(self.folder),
                remedy="let this user write there, or make the inbox elsewhere and copy the photos into it",
            ) from None
        try:
            self._memory = Memory(self.folder / ".taken.json")
            self.filing().finish()
            yield
        finally:
            self._lock.release()

    def look(self) -> list[Arrival]:
        """The contents of the inbox now, sorted by name; classes without anything to take are left out.

        Files that systems leave behind are skipped, and so are processed files that could not be moved.

        Raises:
            OSError: the inbox cannot be read, as when a share is away.
        """
        arrivals, beside = [], []
        with os.scandir(self.folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.startswith(".") or is_left_behind(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    arrivals.append(Arrival(entry.name, tuple(find_within(Path(entry.path)))))
                elif found := find(Path(entry.path)):
                    beside.append(found)
        seen = [Arrival("", tuple(beside)), *arrivals]
        left = [replace(arrival, found=tuple(filter(self._is_new, arrival.found))) for arrival in seen]
        return [arrival for arrival in left if arrival.takable]

    def filing(self) -> Filing:
        """The `Filing` that moves files processed from now on."""
        return Filing(self.folder, datetime.now(UTC), self._memory)

    def _is_new(self, found: Found) -> bool:
        return self._memory.ending(os.fspath(found.path.relative_to(self.folder)), found.facts) is None
