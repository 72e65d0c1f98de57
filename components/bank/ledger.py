"""The ledger: what was added, removed, renamed, rolled back, consolidated or purged beside `data/raw`; append-only.

One JSON object per line. A line counts once its line break is there: half a line, such as a copy that broke off leaves,
is cut off by the next writer. Writers take turns under a file lock and read again what is there before they decide
what to write.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

from filelock import FileLock, Timeout

from components.bank.out_of_git import keep_out_of_git
from components.errors import ShotlineError, UserInputError
from components.files import write_bytes

__all__ = ["Action", "Ledger", "LedgerEntry"]

Action = Literal["add", "remove", "rename", "rollback", "consolidate", "purge"]

_LOCK_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class LedgerEntry:
    """One line of the ledger.

    Attributes:
        action: what was done.
        who: the user that did it.
        time: when, ISO 8601 in UTC; also the event time of the photos.
        made_on: the version that was live when it was made; empty if nothing was live.
        number: its place in the ledger, from 1; 0 until it is written.
        name: the class; empty for a rollback and for a purge.
        photos: SHA-256 of each photo that came with an `add`, that a `consolidate` moved into `data/raw`, or that a
            `purge` deleted.
        new_name: of a `rename`.
        back_to: of a `rollback`, the number of the last entry that is in effect again; 0 if none is.
        to: of a rollback or a consolidation, the version that it made live.
        forced: the gate said no and was overruled.
        arrival: number of the first entry of its arrival; classes that arrive together are optimised together.
        vocabulary: of an `add`, which vocabulary judged the name (`starter` or `full`); empty if none did.
    """

    action: Action
    who: str
    time: str
    made_on: str
    number: int = 0
    name: str = ""
    photos: tuple[str, ...] = ()
    new_name: str = ""
    back_to: int = 0
    to: str = ""
    forced: bool = False
    arrival: int = 0
    vocabulary: str = ""

    @classmethod
    def from_json(cls, content: Any) -> LedgerEntry:
        """The entry of which `asdict` gave `content`.

        Raises:
            ValueError, TypeError: it is no object, or has unknown keys or an unknown action.
        """
        if not isinstance(content, dict):
            raise ValueError("no JSON object")
        if content.get("action") not in get_args(Action):
            raise ValueError(f"unknown action {content.get('action')!r}")
        return cls(**{**content, "photos": tuple(content.get("photos", ()))})


class Ledger:
    """The ledger of a workspace.

    Args:
        path: the file; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        # Beside the folder, not in it: what is tracked must not hold a lock's file.
        self._lock = FileLock(path.parent.with_name(f".{path.parent.name}.lock"))

    def entries(self) -> list[LedgerEntry]:
        """All entries, oldest first.

        Raises:
            ShotlineError: a line in the middle cannot be read; the ledger was edited or damaged.
        """
        return self._read()[0]

    @contextlib.contextmanager
    def turn(self) -> Iterator[list[LedgerEntry]]:
        """A writer's turn: nobody else writes within the block. Yields the entries so far.

        Raises:
            UserInputError: another writer does not end.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self._lock.acquire(timeout=_LOCK_TIMEOUT_S):
                yield self.entries()
        except Timeout:
            raise UserInputError(
                "another change of the classes is under way and does not end",
                on=str(self.path),
                remedy="wait for it, or end its process",
            ) from None

    def append(self, entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
        """Write the entries of one arrival, all or none, synced; call it within `turn`.

        Returns:
            The same, numbered.
        """
        if not self._lock.is_locked:
            raise ValueError("append within turn()")
        before, whole = self._read()
        first = len(before) + 1
        numbered = [replace(entry, number=first + place, arrival=first) for place, entry in enumerate(entries)]
        lines = "".join(json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in numbered)
        keep_out_of_git(self.path.parent)
        # Beside and renamed: the file may be a link into DVC's cache, which must not be written through.
        write_bytes(self.path, whole + lines.encode())
        return numbered

    def _read(self) -> tuple[list[LedgerEntry], bytes]:
        """The entries, and the lines that they were read from."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return [], b""
        whole = content[: content.rfind(b"\n") + 1]
        entries = []
        for number, line in enumerate(whole.splitlines(), 1):
            try:
                entry = LedgerEntry.from_json(json.loads(line))
            except (ValueError, TypeError) as error:
                raise ShotlineError(
                    f"line {number} of the ledger cannot be read: {error}",
                    on=str(self.path),
                    remedy="restore the file (`dvc checkout data/arrivals/ledger.jsonl`); it is never edited by hand",
                ) from error
            if entry.number != number:
                raise ShotlineError(
                    f"line {number} of the ledger says that it is entry {entry.number}",
                    on=str(self.path),
                    remedy="restore the file (`dvc checkout data/arrivals/ledger.jsonl`); it is never edited by hand",
                )
            entries.append(entry)
        return entries, whole
