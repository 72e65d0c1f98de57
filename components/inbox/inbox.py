"""What lies in an inbox, and where what was dealt with goes."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from components.errors import ShotlineError, UserInputError
from components.files import write_text
from components.leftovers import is_left_behind

__all__ = ["Arrival", "Filing", "Found", "Inbox"]

Kind = Literal["file", "link", "folder", "device", "under_way"]
Signature = tuple[tuple[str, int, int, int], ...]

# What a program that copies calls a file that it has not finished; it takes its own name when it is whole.
_UNDER_WAY = (".part", ".partial", ".filepart", ".crdownload", ".download", ".tmp")


@dataclass(frozen=True)
class Found:
    """Something in a class's folder.

    Attributes:
        path: where.
        kind: what; `under_way` is what begins with a dot or is called as copying programs call what is not whole yet.
        signature: names, inodes, sizes and modification times, of a folder all within it; the same: it has not changed.
    """

    path: Path
    kind: Kind
    signature: Signature

    def is_unchanged(self) -> bool:
        """Whether it is still what was found."""
        return _signature(self.path) == self.signature


@dataclass(frozen=True)
class Arrival:
    """What lies in the folder of one class.

    Attributes:
        name: the folder's; empty for what lies beside the folders.
        found: by name.
    """

    name: str
    found: tuple[Found, ...]

    @property
    def takable(self) -> tuple[Found, ...]:
        """All but what is still under way."""
        return tuple(each for each in self.found if each.kind != "under_way")


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

    @contextlib.contextmanager
    def only_one(self) -> Iterator[None]:
        """To be entered by who takes from the inbox: two would take the same photos.

        Raises:
            UserInputError: somebody else does.
        """
        try:
            with self._lock.acquire(blocking=False):
                yield
        except Timeout:
            raise UserInputError(
                "another process watches this inbox", on=str(self.folder), remedy="end it, or leave the inbox to it"
            ) from None

    def look(self) -> list[Arrival]:
        """What lies there now, sorted by name; classes without anything to take are left out.

        Raises:
            OSError: the inbox cannot be read, as when a share is away.
        """
        arrivals, beside = [], []
        with os.scandir(self.folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if is_left_behind(entry.name):
                    continue
                if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                    arrivals.append(Arrival(entry.name, tuple(_found_in(Path(entry.path)))))
                elif not entry.name.startswith("."):
                    beside.append(_found(Path(entry.path)))
        found = [Arrival("", tuple(each for each in beside if each is not None)), *arrivals]
        return [arrival for arrival in found if arrival.takable]

    def filing(self) -> Filing:
        """Where what is dealt with now goes."""
        return Filing(self.folder, datetime.now(UTC))


class Filing:
    """Takes what was dealt with out of an inbox: a folder under `.done`, one under `.rejected`, made when needed.

    Args:
        inbox: the folder.
        time: names both folders, to the second; a number follows where one of that name is there.
    """

    def __init__(self, inbox: Path, time: datetime) -> None:
        self._inbox = inbox
        self._name = time.strftime("%Y-%m-%dT%H-%M-%SZ")
        self._folders: dict[str, Path] = {}
        self._reasons: dict[str, list[str]] = {}

    def done(self, found: Found) -> Path | None:
        """Move what was taken; None where it changed meanwhile and so stays to be taken anew."""
        return self._moved(found, "done")

    def reject(self, found: Found, error: ShotlineError) -> Path | None:
        """Move what was refused, and note why; None where it changed meanwhile."""
        target = self._moved(found, "rejected")
        if target is not None:
            # A name need not be text: bytes that are none are shown as such.
            name = os.fsencode(found.path.relative_to(self._inbox)).decode(errors="replace")
            reason = f"  what: {error.what}\n  do:   {error.remedy}\n"
            self._reasons.setdefault(reason, []).append(name)
        return target

    def write(self, outcome: str = "") -> None:
        """Write down what came of what was taken, and why something was refused; call it last."""
        if "done" in self._folders and outcome:
            write_text(self._folders["done"] / "outcome.txt", f"{outcome}\n")
        if "rejected" in self._folders:
            reasons = ["\n".join([*names, reason]) for reason, names in self._reasons.items()]
            head = "Not taken, each with its reason. To try again, put it back into its class's folder in the inbox.\n"
            write_text(self._folders["rejected"] / "reason.txt", "\n".join([head, *reasons]))

    @property
    def folders(self) -> Mapping[str, Path]:
        """`done` and `rejected`, those that were needed."""
        return self._folders

    def _moved(self, found: Found, into: Literal["done", "rejected"]) -> Path | None:
        if not found.is_unchanged():
            return None
        if into not in self._folders:
            self._folders[into] = self._made(self._inbox / f".{into}")
        target = self._folders[into] / found.path.relative_to(self._inbox)
        target.parent.mkdir(exist_ok=True)
        found.path.rename(target)  # of a link the link itself
        return target

    def _made(self, parent: Path) -> Path:
        number = 1
        while True:
            folder = parent / (self._name if number == 1 else f"{self._name}-{number}")
            try:
                folder.mkdir(parents=True)
                return folder
            except FileExistsError:
                number += 1


def _found_in(folder: Path) -> Iterator[Found]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:  # went away, or may not be read: nothing to take
        return
    for path in paths:
        if not is_left_behind(path.name) and (found := _found(path)):
            yield found


def _found(path: Path) -> Found | None:
    signature = _signature(path)
    if not signature:
        return None
    try:
        mode = path.lstat().st_mode
    except OSError:
        return None
    if stat.S_ISLNK(mode):
        return Found(path, "link", signature)
    if path.name.startswith(".") or path.name.lower().endswith(_UNDER_WAY):
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
