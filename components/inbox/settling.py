"""When photos have settled: nothing in their folder has changed for a while, and nobody has one open to write."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from components.inbox.found import Arrival, Found
from components.inbox.names import is_doubtful
from components.inbox.writers import is_being_written

__all__ = ["Settling"]

_AT_LAST = 10  # after so many times `unfinished_s` a file is judged although others keep coming


@dataclass(frozen=True)
class _Seen:
    """The state of a class's folder.

    Attributes:
        found: its contents.
        since: the time since which the contents are unchanged.
        came: when a file last came or changed; a file that was removed does not count.
        each: the time since which each file is unchanged.
    """

    found: tuple[Found, ...]
    since: float
    came: float
    each: dict[Found, float]


class Settling:
    """Watches arrivals until they have settled.

    The rule: between looks at least `settle_s` apart everything in the class's folder has kept its name, inode, size
    and modification time, files under way included, and the system knows of nobody who has one of the files open for
    writing (which it can say of this machine's processes only). Times are this process's own: a share's clock may
    differ.

    Files that look unfinished get more time. A file with a doubtful name, or one that was passed to `leave`, is given
    again when it changes, or when it has not changed for `unfinished_s` while nothing came to its folder.

    Args:
        settle_s: see `InboxSettings`.
        clock: seconds that never go back.
        unfinished_s: see `InboxSettings`.
    """

    def __init__(
        self, settle_s: float, clock: Callable[[], float] = time.monotonic, *, unfinished_s: float = 60.0
    ) -> None:
        self._settle_s = settle_s
        self._unfinished_s = unfinished_s
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._left: set[Found] = set()
        self._told: set[Found] = set()

    def settled(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """The arrivals that have settled, without files that are left for later.

        Args:
            arrivals: all that `Inbox.look` gave; arrivals that are no longer among them are forgotten.
        """
        now = self._clock()
        self._seen = {arrival.name: _seen(arrival.found, self._seen.get(arrival.name), now) for arrival in arrivals}
        there = {found for arrival in arrivals for found in arrival.found}
        self._left &= there
        self._told &= there
        quiet = [arrival for arrival in arrivals if now - self._seen[arrival.name].since >= self._settle_s]
        ripe = [replace(arrival, found=self._due(arrival, now), young=self._young(arrival, now)) for arrival in quiet]
        return [
            arrival
            for arrival in ripe
            if arrival.takable and not any(is_being_written(each.path) for each in arrival.found if each.kind == "file")
        ]

    def leave(self, found: Sequence[Found]) -> None:
        """Leave these files alone until they change or can be judged."""
        self._left.update(found)

    def is_left(self, arrival: Arrival) -> bool:
        """Whether all of an arrival that `Inbox.look` gave is left for later."""
        return not any(each.kind != "under_way" for each in self._due(arrival, self._clock()))

    def abandoned(self) -> list[Found]:
        """Files that a program calls unfinished, and that have not changed for `unfinished_s`; each is given once.

        Hidden files are not among them: they are nobody's photos.
        """
        now = self._clock()
        found = [
            each
            for seen in self._seen.values()
            for each, since in seen.each.items()
            if each.kind == "under_way" and not each.path.name.startswith(".") and now - since >= self._unfinished_s
        ]
        new = [each for each in found if each not in self._told]
        self._told.update(new)
        return new

    def _due(self, arrival: Arrival, now: float) -> tuple[Found, ...]:
        return tuple(
            each
            for each in arrival.found
            if self._is_final(arrival.name, each, now) or not (each in self._left or _must_wait(each))
        )

    def _young(self, arrival: Arrival, now: float) -> frozenset[Path]:
        return frozenset(each.path for each in arrival.found if not self._is_final(arrival.name, each, now))

    def _is_final(self, name: str, found: Found, now: float) -> bool:
        seen = self._seen.get(name)
        if seen is None or found not in seen.each:
            return False
        age = now - seen.each[found]
        return age >= self._unfinished_s and (
            now - seen.came >= self._unfinished_s or age >= _AT_LAST * self._unfinished_s
        )


def _seen(found: tuple[Found, ...], before: _Seen | None, now: float) -> _Seen:
    if before is None:
        return _Seen(found, now, now, dict.fromkeys(found, now))
    each = {one: before.each.get(one, now) for one in found}
    came = now if any(one not in before.each for one in found) else before.came
    return _Seen(found, before.since if found == before.found else now, came, each)


def _must_wait(found: Found) -> bool:
    return found.kind == "file" and is_doubtful(found.path.name)
