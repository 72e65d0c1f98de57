"""The state that the ledger leads to: which classes stand beside the trained ones, with which photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from components.bank.ledger import LedgerEntry

__all__ = ["AddedClass", "State", "event_times", "made_from", "photos_in_use", "states", "without_purged"]


@dataclass(frozen=True)
class AddedClass:
    """A class that the ledger added.

    Attributes:
        name: what it is called now.
        photos: SHA-256 of its photos, in the order of their arrival.
        since: time of its first photo's arrival.
        entry: number of the entry that it was last made by: added, given more photos, or consolidated in part.
    """

    name: str
    photos: tuple[str, ...]
    since: str
    entry: int


@dataclass(frozen=True)
class State:
    """The state after some entry, beside a bundle.

    Attributes:
        classes: added classes by name, in the order in which they were added.
        waiting: photos that came for a class that the bundle knows and wait for consolidation, by class.
    """

    classes: dict[str, AddedClass] = field(default_factory=dict)
    waiting: dict[str, tuple[str, ...]] = field(default_factory=dict)


def without_purged(entries: Sequence[LedgerEntry]) -> list[LedgerEntry]:
    """The entries without the photos that were purged later; an arrival may be left without any photo."""
    gone: set[str] = set()
    found = []
    for entry in reversed(entries):
        if entry.action == "purge":
            gone |= {*entry.photos}
        elif entry.action == "add" and gone:
            entry = replace(entry, photos=tuple(photo for photo in entry.photos if photo not in gone))
        found.append(entry)
    return found[::-1]


def states(entries: Sequence[LedgerEntry], trained: frozenset[str]) -> list[State]:
    """The state before all entries, then after each: `states(entries)[n]` holds after entry n.

    The states do not depend on the bundle: bundles are replaced, and an entry that was valid beside one must not fail
    beside the next. The bundle only says which of the classes wait, because it was trained on them.

    Args:
        entries: the ledger; each entry is valid after those before it.
        trained: the classes of the bundle.
    """
    found: list[dict[str, AddedClass]] = [{}]
    purged = any(entry.action == "purge" for entry in entries)
    for entry in without_purged(entries):
        # A class that was removed or consolidated, and whose photos were purged, is as if it had never been there.
        left_out = purged and entry.action in ("remove", "consolidate") and entry.name not in found[-1]
        found.append(found[-1] if left_out else _after(found[-1], entry, found))
    return [
        State(
            {name: each for name, each in classes.items() if name not in trained},
            {name: each.photos for name, each in classes.items() if name in trained},
        )
        for classes in found
    ]


def _after(
    before: dict[str, AddedClass], entry: LedgerEntry, earlier: Sequence[dict[str, AddedClass]]
) -> dict[str, AddedClass]:
    """All classes that are not in `data/raw` with all their photos, after `entry`."""
    classes = dict(before)
    match entry.action:
        case "add" if entry.photos:
            known = classes.pop(entry.name, None)  # a class that is made anew becomes the last
            classes[entry.name] = AddedClass(
                entry.name,
                _joined(known.photos if known else (), entry.photos),
                known.since if known else entry.time,
                entry.number,
            )
        case "remove":
            del classes[entry.name]
        case "rename":
            # In its old place: the order of classes is the order of columns.
            classes = {
                (entry.new_name if name == entry.name else name): (
                    replace(each, name=entry.new_name) if name == entry.name else each
                )
                for name, each in classes.items()
            }
        case "rollback":
            return earlier[entry.back_to]
        case "consolidate":
            known = classes.pop(entry.name)
            # Photos that came while the others were trained on go on waiting.
            if left := tuple(photo for photo in known.photos if photo not in set(entry.photos)):
                classes[entry.name] = replace(known, photos=left, entry=entry.number)
    return classes


def _joined(before: tuple[str, ...], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *more)))


def event_times(entries: Sequence[LedgerEntry]) -> list[datetime]:
    """When each entry took effect, in UTC: its own time, or just after the entry before it if a clock was set back."""
    found: list[datetime] = []
    for entry in entries:
        time = datetime.fromisoformat(entry.time)
        if found and entries[len(found) - 1].arrival == entry.arrival:
            time = found[-1]
        elif found:
            time = max(time, found[-1] + timedelta(microseconds=1))
        found.append(time)
    return found


def made_from(entries: Sequence[LedgerEntry], trained: frozenset[str], number: int) -> frozenset[str]:
    """Photos that the bank after entry `number` depends on: its classes', and those of classes beside which these were
    fitted, though they may have been removed since.

    Args:
        entries: the ledger.
        trained: the classes of the bundle.
        number: of an entry; 0 for none.
    """
    entries = without_purged(entries[:number])
    found = states(entries, trained)
    photos: set[str] = set()
    ahead, seen = [number], set[int]()
    while ahead:
        at = ahead.pop()
        if at not in seen:
            seen.add(at)
            for each in found[at].classes.values():
                arrival = entries[each.entry - 1].arrival
                photos |= {*each.photos}
                together = (entry for entry in entries if entry.arrival == arrival and entry.action == "add")
                photos |= {photo for entry in together for photo in entry.photos}
                ahead.append(arrival - 1)  # the classes that were there when it was fitted
    return frozenset(photos)


def photos_in_use(entries: Sequence[LedgerEntry], trained: frozenset[str]) -> frozenset[str]:
    """Photos of added classes, those that wait, and those that were consolidated: a rollback gives these back."""
    now = states(entries, trained)[-1]
    consolidated = {photo for entry in entries if entry.action == "consolidate" for photo in entry.photos}
    added = {photo for each in now.classes.values() for photo in each.photos}
    return frozenset(consolidated | added | {photo for photos in now.waiting.values() for photo in photos})
