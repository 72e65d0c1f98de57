"""Copies photos from the arrivals into `data/raw`; a kill half-way leaves nothing behind.

A journal is written before the first photo is copied. Until the ledger says that the photos are consolidated, the next
process removes the files that the journal names; afterwards they stay. Photos are copied, never moved: a rollback over
the consolidation needs them in the arrivals.
"""

from __future__ import annotations

import base64
import contextlib
import glob
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path

from components.bank import ArrivalPhotos, Ledger
from components.errors import ShotlineError, UserInputError
from components.files import sha256_bytes, write_bytes, write_json
from components.ingest import check_placed, plan_placement
from components.workspace import turn

__all__ = ["Consolidation"]


@dataclass(frozen=True)
class _Journal:
    """The files that a consolidation writes into the photo folder.

    Attributes:
        entries: how many the ledger had before it.
        files: new files, relative to the photo folder.
        list_name: the list that got rows for them; empty if folders name photos.
        list_before: the list's content before, in base 64.
        list_after: SHA-256 of the list's content with those rows.
    """

    entries: int
    files: list[str]
    list_name: str = ""
    list_before: str = ""
    list_after: str = ""


class Consolidation:
    """The consolidation that may be under way in a workspace; there is at most one.

    Args:
        raw: the photo folder.
        photos: of the arrivals.
        ledger: of the workspace.
        listing: `ingest.listing` of the parameters.
    """

    def __init__(self, raw: Path, photos: ArrivalPhotos, ledger: Ledger, listing: str) -> None:
        self._raw = raw
        self._photos = photos
        self._ledger = ledger
        self._listing = listing
        self._path = raw.with_name(".consolidation.json")
        self._lock = raw.with_name(".consolidation.lock")

    def turn(self) -> AbstractContextManager[None]:
        """Within the block no other process consolidates, trains, or undoes this consolidation.

        Raises:
            UserInputError: another process does.
        """
        return turn(self._lock)

    @property
    def unsettled(self) -> bool:
        """Whether a consolidation is under way or was cut off."""
        return self._path.exists()

    def place(self, moved: Mapping[str, Sequence[str]]) -> int:
        """Copy photos into the photo folder, and their rows into its list; to be called within `turn`.

        Args:
            moved: class name to the SHA-256 of its photos.

        Returns:
            How many photos were not there yet.

        Raises:
            UserInputError: the folder's layout cannot take them; none of them is left there.
        """
        files = {name: [*self._photos.files(photos).values()] for name, photos in moved.items()}
        plan = plan_placement(self._raw, files, self._listing)
        before = b"" if plan.list_name is None else (self._raw / plan.list_name).read_bytes()
        journal = _Journal(
            entries=len(self._ledger.entries()),
            files=sorted(plan.files),
            list_name=plan.list_name or "",
            list_before=base64.b64encode(before).decode(),
            list_after=sha256_bytes(plan.list_content),
        )
        write_json(self._path, asdict(journal))
        for name, photo in plan.files.items():
            write_bytes(self._raw / name, photo.read_bytes())
        if plan.list_name is not None:
            write_bytes(self._raw / plan.list_name, plan.list_content)
        try:
            check_placed(self._raw, plan, self._listing)
        except ShotlineError:
            self._take_back(journal)
            raise
        return len(plan.files)

    def settle(self) -> bool:
        """Undo a consolidation that was cut off before the ledger recorded it; call it within `turn`.

        Returns:
            Whether there is one that the ledger has recorded; `done` is its last step.
        """
        if not self.unsettled:
            return False
        journal = _Journal(**json.loads(self._path.read_text(encoding="utf-8")))
        if any(entry.action == "consolidate" for entry in self._ledger.entries()[journal.entries :]):
            return True
        self._take_back(journal)
        return False

    def done(self) -> None:
        """Finish: the copied photos stay."""
        self._path.unlink(missing_ok=True)

    def require_settled(self) -> None:
        """Raise if one is under way or was cut off.

        Raises:
            UserInputError: there is one.
        """
        if self.unsettled:
            raise UserInputError(
                "a consolidation is under way, or was cut off",
                on=str(self._raw),
                remedy="wait for it to end, or begin it again: shotline consolidate",
            )

    def _take_back(self, journal: _Journal) -> None:
        if journal.list_name:
            path = self._raw / journal.list_name
            content = path.read_bytes()
            before = base64.b64decode(journal.list_before)
            if content != before and sha256_bytes(content) != journal.list_after:
                raise UserInputError(
                    "the list of photos was edited during a consolidation that was cut off",
                    on=str(path),
                    remedy=f"take out its rows of {len(journal.files)} new photos, then remove {self._path}",
                )
            write_bytes(path, before)
        for name in filter(None, (*journal.files, journal.list_name)):
            path = self._raw / name
            for half in path.parent.glob(f".{glob.escape(path.name)}.*{path.suffix}"):  # as `write_bytes` calls it
                half.unlink(missing_ok=True)
        for name in journal.files:
            (self._raw / name).unlink(missing_ok=True)
        for folder in {(self._raw / name).parent for name in journal.files}:
            with contextlib.suppress(OSError):  # the folder holds other photos
                folder.rmdir()
        self.done()
