"""Remembers processed files that could not be moved out of the inbox, so that they are not taken again."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, get_args

from components.files import write_text

__all__ = ["Ending", "Facts", "Memory"]

Ending = Literal["done", "rejected"]
Facts = tuple[tuple[str, int, int], ...]
"""Names, sizes and modification times (ns) of a file or of all within a folder. No inodes: a share that is mounted
again may give other ones.
"""


class Memory:
    """A file in the inbox; if it cannot be written, the memory lasts as long as the process.

    Args:
        path: the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept = self._read()

    def ending(self, name: str, facts: Facts) -> Ending | None:
        """How the file was processed; None if it was not, or if it has changed since.

        Args:
            name: relative to the inbox.
            facts: the file's facts now.
        """
        ending, then = self._kept.get(name, (None, ()))
        return ending if then == facts else None

    def remember(self, ending: Ending, things: Iterable[tuple[str, Facts]]) -> None:
        """Remember that these were processed."""
        self._kept |= {name: (ending, facts) for name, facts in things}
        self._write()

    def forget(self, names: Iterable[str]) -> None:
        """Forget those that are no longer there."""
        gone = [name for name in names if self._kept.pop(name, None)]
        if gone:
            self._write()

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._kept))

    def _read(self) -> dict[str, tuple[Ending, Facts]]:
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                name: (ending, tuple((str(part), int(size), int(time)) for part, size, time in facts))
                for name, (ending, facts) in rows.items()
                if ending in get_args(Ending)
            }
        except (OSError, ValueError, TypeError, AttributeError):  # none yet; or damaged, which counts as none
            return {}

    def _write(self) -> None:
        # A full or read-only disk must not make live photos be taken again.
        with contextlib.suppress(OSError):
            if self._kept:
                write_text(self._path, json.dumps(self._kept))  # ASCII: a name need not be text
            else:
                self._path.unlink(missing_ok=True)
