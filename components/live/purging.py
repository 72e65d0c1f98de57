"""Deletes photos that nothing live needs: those of removed or rolled back classes, and those of no class."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from components.bank import ArrivalPhotos, LedgerEntry, photos_in_use
from components.live.opening import LiveWorkspace
from components.live.versions import Version

__all__ = ["Purgeable", "purge", "purgeable"]

_UNDER_WAY_S = 3600.0  # age from which an unnamed photo counts as stray: photos are kept before the ledger names them


@dataclass(frozen=True)
class Purgeable:
    """Photos of `data/arrivals` that no live class needs.

    Attributes:
        classes: photos that the ledger names, by the name under which they came.
        stray: photos that the ledger does not name: of arrivals that were refused or cut off.
        size_bytes: of all of them.
        versions: live versions that could not be derived again without them.
        refitted: whether live classes were fitted beside some of them; these are then fitted anew.
    """

    classes: dict[str, tuple[str, ...]]
    stray: tuple[str, ...]
    size_bytes: int
    versions: tuple[Version, ...]
    refitted: bool

    @property
    def photos(self) -> tuple[str, ...]:
        """SHA-256 of the photos that the ledger names, each once."""
        return tuple(dict.fromkeys(photo for photos in self.classes.values() for photo in photos))


def purgeable(live: LiveWorkspace) -> Purgeable:
    """Find what `purge` would delete now; nothing is changed.

    Raises:
        UserInputError: nothing is live.
    """
    version = live.versions.in_use()
    trained = frozenset(live.versions.facts(version)[0].class_names)
    entries = live.ledger.entries()
    classes = _gone(entries, photos_in_use(entries, trained), live.photos)
    named = {photo for entry in entries for photo in entry.photos}
    before = time.time() - _UNDER_WAY_S
    lying = {path.name: path.stat() for path in _lying(live.photos.folder)}
    stray = tuple(sorted(name for name, facts in lying.items() if name not in named and facts.st_mtime < before))
    photos = {photo for each in classes.values() for photo in each}
    unmade = live.changes.unmade_by(photos)
    return Purgeable(
        classes,
        stray,
        size_bytes=sum(lying[name].st_size for name in (*photos, *stray) if name in lying),
        versions=tuple(unmade),
        refitted=version in unmade,
    )


def purge(live: LiveWorkspace, found: Purgeable) -> Version:
    """Record in the ledger that these photos are deleted, and delete them; returns the version that is live afterwards.

    If it is cut off in between, the photos are still there, and the next purge deletes them.

    Raises:
        UserInputError: the classes have changed meanwhile, so that one of the photos is in use.
    """
    entries = live.ledger.entries()
    written = {photo for entry in entries if entry.action == "purge" for photo in entry.photos}
    version = live.versions.in_use()
    if new := [photo for photo in found.photos if photo not in written or _came_again(photo, entries)]:
        version = live.changes.purge(new, live.stamp()).version
    for photo in (*found.photos, *found.stray):
        path = live.photos.path(photo)
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            path.parent.rmdir()
    return version


def _gone(entries: list[LedgerEntry], in_use: frozenset[str], photos: ArrivalPhotos) -> dict[str, tuple[str, ...]]:
    """By class, the photos that the ledger names, that nothing uses, and that still exist."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        if entry.action == "add":
            found.setdefault(entry.name, []).extend(
                photo for photo in entry.photos if photo not in in_use and photos.path(photo).is_file()
            )
    return {name: tuple(dict.fromkeys(those)) for name, those in found.items() if those}


def _came_again(photo: str, entries: list[LedgerEntry]) -> bool:
    last = [entry.action for entry in entries if photo in entry.photos][-1]
    return last != "purge"


def _lying(folder: Path) -> list[Path]:
    return [path for path in folder.glob("??/*") if path.is_file() and not path.name.startswith(".")]
