"""Moves processed files out of the inbox, into folders that say what came of them."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from components.errors import ShotlineError
from components.files import atomic_path, write_text
from components.inbox.found import Found, find
from components.inbox.memory import Ending, Memory
from components.inbox.writers import is_being_written
from components.wording import printable

__all__ = ["Filing"]


class Filing:
    """Moves processed files out of an inbox, into a folder under `.done` and one under `.rejected`, made when needed.

    A file that cannot be moved (another user's folder, a full disk) stays and is remembered, so that it is not taken
    again.

    Args:
        inbox: the folder.
        time: names both folders, to the second; a number is added if a folder of that name is there.
        memory: the inbox's memory of files that could not be moved.
    """

    def __init__(self, inbox: Path, time: datetime, memory: Memory | None = None) -> None:
        self._inbox = inbox
        self._name = time.strftime("%Y-%m-%dT%H-%M-%SZ")
        self._memory = Memory(inbox / ".taken.json") if memory is None else memory
        self._folders: dict[str, Path] = {}
        self._reasons: dict[str, list[str]] = {}
        self._stuck: dict[Path, str] = {}

    def done(self, found: Sequence[Found]) -> list[Path]:
        """Move the taken files; returns where each lies now. A file that has changed stays, to be taken again."""
        # Remembered first: if this process is stopped now, files that are live already are not taken again.
        self._memory.remember("done", ((self._name_of(each), each.facts) for each in found))
        moved = [self._moved(each, "done") for each in found]
        self._memory.forget(self._name_of(each) for each in found if each.path not in self._stuck)
        return [path for path in moved if path is not None]

    def reject(self, found: Found, error: ShotlineError) -> Path | None:
        """Move a refused file and note why; returns where it lies now, or None if it has changed, to be judged anew."""
        target = self._moved(found, "rejected")
        if target is None:
            return None
        if target == found.path:
            self._memory.remember("rejected", [(self._name_of(found), found.facts)])
        # A name need not be text: invalid bytes are shown as such.
        name = printable(str(found.path.relative_to(self._inbox)))
        reason = f"  what: {error.what}\n  do:   {error.remedy}\n"
        self._reasons.setdefault(reason, []).append(name)
        return target

    def finish(self) -> None:
        """Move remembered files that can be moved now; forget those that are gone."""
        for name in self._memory:
            found = find(self._inbox / name)
            ending = None if found is None else self._memory.ending(name, found.facts)
            if found is None or ending is None or self._moved(found, ending) != found.path:
                self._memory.forget([name])
        self._remove_empty()

    def write(self, outcome: str = "") -> None:
        """Write down what came of the taken files, and why others were refused; call it last."""
        # People hear of all this in other ways too; a text that cannot be written is no reason to take live photos
        # again.
        with contextlib.suppress(OSError):
            if "done" in self._folders and outcome:
                write_text(self._folders["done"] / "outcome.txt", f"{outcome}\n")
            if "rejected" in self._folders and self._reasons:
                reasons = ["\n".join([*names, reason]) for reason, names in self._reasons.items()]
                head = (
                    "Not taken, each with its reason. To try again, put it back into its class's folder in the inbox.\n"
                )
                write_text(self._folders["rejected"] / "reason.txt", "\n".join([head, *reasons]))
        self._remove_empty()

    @property
    def folders(self) -> Mapping[str, Path]:
        """The folders `done` and `rejected`, if they were needed."""
        return self._folders

    @property
    def stuck(self) -> Mapping[Path, str]:
        """Files that could not be moved, and why. They are remembered."""
        return self._stuck

    def _moved(self, found: Found, into: Ending) -> Path | None:
        """Move a file; returns its new path, its old one if it cannot be moved, or None if it has changed meanwhile."""
        if not found.is_unchanged() or (found.kind == "file" and is_being_written(found.path)):
            return None
        try:
            if into not in self._folders:
                self._folders[into] = self._made(self._inbox / f".{into}")
            target = self._folders[into] / found.path.relative_to(self._inbox)
            target.parent.mkdir(exist_ok=True)
            _move(found, target)
        except OSError as error:
            self._stuck[found.path] = error.strerror or str(error)
            return found.path
        return target

    def _made(self, parent: Path) -> Path:
        number = 1
        while True:
            folder = parent / (self._name if number == 1 else f"{self._name}-{number}")
            try:
                folder.mkdir(parents=True)
                return folder
            except FileExistsError:
                if not parent.is_dir():  # a link to nothing
                    raise
                number += 1

    def _remove_empty(self) -> None:
        """Folders into which nothing could be moved."""
        for ending, folder in tuple(self._folders.items()):
            with contextlib.suppress(OSError):
                for within in folder.iterdir():
                    if within.is_dir() and not within.is_symlink():
                        with contextlib.suppress(OSError):
                            within.rmdir()
                folder.rmdir()
                del self._folders[ending]

    def _name_of(self, found: Found) -> str:
        return os.fspath(found.path.relative_to(self._inbox))


def _move(found: Found, target: Path) -> None:
    """Rename; copy and remove if the target is on another disk.

    Raises:
        OSError: it cannot be moved; it then lies where it was, and the target has no copy of it.
    """
    source = found.path
    try:
        source.rename(target)  # a link is moved itself, not its target
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    if not os.access(source.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(source.parent))
    if found.kind == "folder":
        try:
            shutil.copytree(source, target, symlinks=True)
        except shutil.Error as error:  # shutil lists every failure; the first is enough
            shutil.rmtree(target, ignore_errors=True)
            raise OSError(errno.EXDEV, f"not all of it can be copied: {error.args[0][0][-1]}") from error
        shutil.rmtree(source)
        return
    if found.kind == "link":
        target.symlink_to(os.readlink(source))  # noqa: PTH115 (as it stands, not as a path of ours)
    elif found.kind == "file":
        with atomic_path(target) as beside:
            shutil.copy2(source, beside)
    else:
        raise OSError(errno.EXDEV, "a device cannot be copied to another disk")
    try:
        if not found.is_unchanged():
            raise OSError(errno.EBUSY, "it changed while it was copied")
        source.unlink()
    except OSError:
        target.unlink()
        raise
