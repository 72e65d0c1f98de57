"""What was dealt with goes out of the way, into folders that say what came of it."""

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
    """Takes what was dealt with out of an inbox: a folder under `.done`, one under `.rejected`, made when needed.

    What cannot be moved (another user's folder, a full disk) stays and is remembered, so that it is not taken again.

    Args:
        inbox: the folder.
        time: names both folders, to the second; a number follows where one of that name is there.
        memory: of the inbox.
    """

    def __init__(self, inbox: Path, time: datetime, memory: Memory | None = None) -> None:
        self._inbox = inbox
        self._name = time.strftime("%Y-%m-%dT%H-%M-%SZ")
        self._memory = Memory(inbox / ".taken.json") if memory is None else memory
        self._folders: dict[str, Path] = {}
        self._reasons: dict[str, list[str]] = {}
        self._stuck: dict[Path, str] = {}

    def done(self, found: Sequence[Found]) -> list[Path]:
        """Move what was taken; where each lies now. What has changed meanwhile is left to be taken anew."""
        # First of all: whatever stops this process now, what is live already is not taken once more.
        self._memory.remember("done", ((self._name_of(each), each.facts) for each in found))
        moved = [self._moved(each, "done") for each in found]
        self._memory.forget(self._name_of(each) for each in found if each.path not in self._stuck)
        return [path for path in moved if path is not None]

    def reject(self, found: Found, error: ShotlineError) -> Path | None:
        """Move what was refused, and note why; where it lies now. None: it has changed, so that it is judged anew."""
        target = self._moved(found, "rejected")
        if target is None:
            return None
        if target == found.path:
            self._memory.remember("rejected", [(self._name_of(found), found.facts)])
        # A name need not be text: bytes that are none are shown as such.
        name = printable(str(found.path.relative_to(self._inbox)))
        reason = f"  what: {error.what}\n  do:   {error.remedy}\n"
        self._reasons.setdefault(reason, []).append(name)
        return target

    def finish(self) -> None:
        """Move what was remembered, where it can be now; forget what is there no more."""
        for name in self._memory:
            found = find(self._inbox / name)
            ending = None if found is None else self._memory.ending(name, found.facts)
            if found is None or ending is None or self._moved(found, ending) != found.path:
                self._memory.forget([name])
        self._remove_empty()

    def write(self, outcome: str = "") -> None:
        """Write down what came of what was taken, and why something was refused; call it last."""
        # People are told all of it besides; what is live must not be taken again for want of a text.
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
        """`done` and `rejected`, those that were needed."""
        return self._folders

    @property
    def stuck(self) -> Mapping[Path, str]:
        """What could not be moved, and why. It is remembered."""
        return self._stuck

    def _moved(self, found: Found, into: Ending) -> Path | None:
        """Where it is now: its own path if it cannot be moved, None if it has changed or is being changed."""
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
    """Rename; onto another disk, copy and remove.

    Raises:
        OSError: it cannot be; then it lies where it was, and the target has no copy of it.
    """
    source = found.path
    try:
        source.rename(target)  # of a link the link itself
        return
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
    if not os.access(source.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(source.parent))
    if found.kind == "folder":
        try:
            shutil.copytree(source, target, symlinks=True)
        except shutil.Error as error:  # a list of many; one is enough
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
