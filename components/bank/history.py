"""What the ledger comes to: which classes are there beside the trained ones, and with which photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from components.bank.ledger import LedgerEntry

__all__ = ["AddedClass", "State", "states"]


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
    """What holds after some entry, beside a bundle.

    Attributes:
        classes: added classes by name, in the order in which they were added.
        waiting: photos that came for a class that the bundle knows and wait for consolidation, by class.
    """

    classes: dict[str, AddedClass] = field(default_factory=dict)
    waiting: dict[str, tuple[str, ...]] = field(default_factory=dict)


def states(entries: Sequence[LedgerEntry], trained: frozenset[str]) -> list[State]:
    """The state before all entries, then after each: `states(entries)[n]` holds after entry n.

    What the entries come to does not depend on the bundle: bundles come and go, and an entry that made sense beside
    one must not fail beside the next. The bundle only says which of the classes wait, because it was trained on them.

    Args:
        entries: the ledger, each of which makes sense where it stands.
        trained: the classes of the bundle.
    """
    found: list[dict[str, AddedClass]] = [{}]
    for entry in entries:
        found.append(_after(found[-1], entry, found))
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
        case "add":
            known = classes.pop(entry.name, None)  # made anew, it is the last
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
