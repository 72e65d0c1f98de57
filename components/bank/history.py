"""What the ledger comes to: which classes are there beside the trained ones, and with which photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from components.bank.ledger import Entry

__all__ = ["AddedClass", "State", "after", "states"]


@dataclass(frozen=True)
class AddedClass:
    """A class that the ledger added.

    Attributes:
        name: what it is called now.
        photos: SHA-256 of its photos, in the order of their arrival.
        since: time of its first photo's arrival.
        entry: number of the entry that it was last made by: added, or given more photos.
    """

    name: str
    photos: tuple[str, ...]
    since: str
    entry: int


@dataclass(frozen=True)
class State:
    """What holds after some entry.

    Attributes:
        classes: added classes by name, in the order in which they were added.
        waiting: photos that came for a trained class and wait for consolidation, by class.
    """

    classes: dict[str, AddedClass] = field(default_factory=dict)
    waiting: dict[str, tuple[str, ...]] = field(default_factory=dict)


def after(state: State, entry: Entry, earlier: Sequence[State], trained: frozenset[str]) -> State:
    """The state after `entry`.

    Args:
        state: before it.
        entry: what was done; it must make sense there, as every entry in the ledger does.
        earlier: `earlier[n]` is the state after entry n, and `earlier[0]` the empty one.
        trained: the classes of the bundle.
    """
    classes, waiting = dict(state.classes), dict(state.waiting)
    match entry.action:
        case "add" if entry.name in trained:
            waiting[entry.name] = _joined(waiting.get(entry.name, ()), entry.photos)
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
            classes.pop(entry.name, None)
            waiting.pop(entry.name, None)
    return State(classes, waiting)


def states(entries: Sequence[Entry], trained: frozenset[str]) -> list[State]:
    """The state before all entries, then after each: `states(entries)[n]` holds after entry n."""
    found = [State()]
    for entry in entries:
        found.append(after(found[-1], entry, found, trained))
    return found


def _joined(before: tuple[str, ...], more: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*before, *more)))
