"""Changes to the classes of a workspace: each passes the gate, goes into the ledger, and only then moves the pointer.

The order is what makes a kill at any moment harmless. Photos are kept first (alone they mean nothing), the ledger's
line is written next (from then on the change counts), the version is published and the pointer moves last. Whoever
comes next finishes what the ledger says and the pointer does not yet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from components.bank import (
    ArrivalPhotos,
    Arriver,
    Bank,
    Entry,
    Ledger,
    State,
    arrivals,
    class_name,
    replay,
    states,
    step,
)
from components.classifier import Bundle
from components.errors import UserInputError
from components.live.gate import GateVerdict, judge
from components.live.settings import GateSettings
from components.live.versions import Version, Versions

__all__ = ["Change", "Changes", "Stamp"]


@dataclass(frozen=True)
class Stamp:
    """Who makes a change, and when.

    Attributes:
        who: the user.
        time: ISO 8601 in UTC.
    """

    who: str
    time: str


@dataclass(frozen=True)
class Change:
    """What a change came to.

    Attributes:
        version: live now.
        before: live before; the same where nothing had to change.
        verdict: the gate's, where classes were added.
        waiting: trained classes whose photos now wait for consolidation.
    """

    version: Version
    before: Version
    verdict: GateVerdict | None = None
    waiting: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Now:
    """What holds while it is a writer's turn."""

    entries: list[Entry]
    state: State
    version: Version
    bundle: Bundle
    bank: Bank

    @property
    def trained(self) -> frozenset[str]:
        return frozenset(self.bundle.class_names)


class Changes:
    """The one way to change what is live.

    Args:
        ledger: of the workspace.
        photos: of its arrivals.
        versions: its live ones.
        arriver_for: makes the `Arriver` of a bundle.
        gate: thresholds.
        beside: files that are kept with each version (`dvc.lock`, `params.yaml`).
    """

    def __init__(
        self,
        ledger: Ledger,
        photos: ArrivalPhotos,
        versions: Versions,
        arriver_for: Callable[[Bundle], Arriver],
        gate: GateSettings,
        beside: Sequence[Path] = (),
    ) -> None:
        self._ledger = ledger
        self._photos = photos
        self._versions = versions
        self._arriver_for = arriver_for
        self._gate = gate
        self._beside = tuple(beside)

    def add(
        self, arrival: Mapping[str, Sequence[str]], stamp: Stamp, *, vocabulary: str = "", force: bool = False
    ) -> Change:
        """Add classes, or photos to added ones; photos of trained classes wait in the ledger.

        Args:
            arrival: name to the SHA-256 of its photos, which `ArrivalPhotos` has.
            stamp: who and when.
            vocabulary: which one judges the names: `starter`, `full`, or none.
            force: overrule the gate.

        Raises:
            UserInputError: a name that cannot be, or no photo; nothing is changed.
            RefusedByGateError: it would do harm; nothing is changed.
        """
        wanted = {class_name(name): tuple(photos) for name, photos in arrival.items()}
        if len(wanted) < len(arrival):
            raise UserInputError("a class comes twice", on=", ".join(arrival), remedy="give all its photos at once")
        with self._turn(stamp) as now:
            fresh = self._fresh(now, wanted)
            if not fresh:  # the same arrival again
                return Change(now.version, now.version, waiting=tuple(set(wanted) & now.trained))
            entries = [
                Entry("add", stamp.who, stamp.time, now.version.name, name=name, photos=photos, vocabulary=vocabulary)
                for name, photos in fresh.items()
            ]
            arriver = self._arriver_for(now.bundle)
            bank = self._stepped(now, self._numbered(now, entries), arriver)
            verdict = None
            if arriver.last is not None:
                verdict = judge(*arriver.last, settings=self._gate)
                if not force:
                    verdict.require()
                entries = [replace(entry, forced=bool(verdict.refusals)) for entry in entries]
            version = self._commit(now, entries, bank, stamp)
            return Change(version, now.version, verdict, tuple(name for name in fresh if name in now.trained))

    def remove(self, name: str, stamp: Stamp) -> Change:
        """Take an added class out again; all other answers are then as if it had never been there.

        Raises:
            UserInputError: it is no added class.
        """
        with self._turn(stamp) as now:
            self._require_added(now, name)
            return self._change(now, Entry("remove", stamp.who, stamp.time, now.version.name, name=name), stamp)

    def rename(self, name: str, new_name: str, stamp: Stamp) -> Change:
        """Call an added class something else; its column stays.

        Raises:
            UserInputError: it is no added class, or the new name cannot be or is taken.
        """
        new_name = class_name(new_name)
        with self._turn(stamp) as now:
            self._require_added(now, name)
            if new_name in now.state.classes or new_name in now.trained:
                raise UserInputError("there is a class of that name", on=new_name, remedy="choose another name")
            entry = Entry("rename", stamp.who, stamp.time, now.version.name, name=name, new_name=new_name)
            return self._change(now, entry, stamp)

    def roll_back(self, stamp: Stamp, to: str | None = None) -> Change:
        """Make an earlier version live again.

        Args:
            stamp: who and when.
            to: the version, or how its name begins; None: the one before the last change.

        Raises:
            UserInputError: there is no such version, or no earlier one.
        """
        with self._turn(stamp) as now:
            if to is None:
                if not now.entries:
                    raise UserInputError("nothing was ever changed", on="the ledger", remedy="name a version")
                target = self._versions.find(now.entries[-1].made_on)
            else:
                target = self._versions.find(to)
            if target == now.version:
                return Change(now.version, now.version)
            left = [number for number, entry in enumerate(now.entries) if entry.made_on == target.name]
            entry = Entry(
                "rollback",
                stamp.who,
                stamp.time,
                now.version.name,
                back_to=left[-1] if left else target.entry,
            )
            self._ledger.append([entry])
            self._versions.point_to(target, entry=len(now.entries) + 1)
            return Change(target, now.version)

    def adopt(self, bundle_folder: Path, stamp: Stamp) -> Change | None:
        """Make a bundle live, with the bank that the ledger gives beside it; None where it is live already."""
        bundle = Bundle.load(bundle_folder)
        with self._ledger.turn() as entries:
            current = self._versions.current()
            if current is not None and current.bundle == bundle.version and self._versions.entry() == len(entries):
                return None
            bank = self._replayed(bundle, entries)
            version = self._publish(bundle_folder, bank, len(entries), stamp)
            return Change(version, current or version)

    @contextmanager
    def _turn(self, stamp: Stamp) -> Iterator[_Now]:
        """A writer's turn, begun by finishing what an earlier writer did not."""
        with self._ledger.turn() as entries:
            version = self._versions.current()
            if version is None:
                raise UserInputError(
                    "nothing is live yet", on=str(self._versions.folder), remedy="train first: shotline train PHOTOS"
                )
            bundle, bank = self._versions.load(version)
            now = _Now(entries, states(entries, frozenset(bundle.class_names))[-1], version, bundle, bank)
            if (done := self._versions.entry()) < len(entries):
                for together in arrivals(entries[done:]):
                    number = together[-1].number
                    state = states(entries[:number], now.trained)[-1]
                    bank = self._step(now, bank, together, state, self._arriver_for(bundle))
                now = replace(now, bank=bank)
                now = replace(now, version=self._publish(self._bundle_folder(now), bank, len(entries), stamp))
            yield now

    def _fresh(self, now: _Now, wanted: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        """Of each class the photos that it does not have yet; classes without any are left out."""
        fresh = {}
        for name, photos in wanted.items():
            if not photos:
                raise UserInputError("the class comes without a photo", on=name, remedy="give at least one")
            near = [each for each in (*now.trained, *now.state.classes) if each.casefold() == name.casefold()]
            if near and name not in near:
                raise UserInputError(f"there is a class called {near[0]}", on=name, remedy="write it the same way")
            known = now.state.classes.get(name)
            has = set(known.photos if known else now.state.waiting.get(name, ())) | set(now.bundle.split.get(name, ()))
            for other, others in self._photos_of_others(now, name).items():
                if twice := [photo for photo in photos if photo in others]:
                    raise UserInputError(
                        f"{len(twice)} of its {len(photos)} photos belong to the class {other}",
                        on=name,
                        remedy="give other photos, or rename that class",
                    )
            if left := tuple(photo for photo in dict.fromkeys(photos) if photo not in has):
                fresh[name] = left
        return fresh

    @staticmethod
    def _photos_of_others(now: _Now, name: str) -> dict[str, set[str]]:
        trained = {each: set(photos) for each, photos in now.bundle.split.items() if each != name}
        added = {each.name: set(each.photos) for each in now.state.classes.values() if each.name != name}
        return trained | added

    def _require_added(self, now: _Now, name: str) -> None:
        if name in now.trained:
            raise UserInputError(
                "it is a trained class, not an added one", on=name, remedy="take its photos out of data/raw and train"
            )
        if name not in now.state.classes:
            added = ", ".join(now.state.classes) or "there are none"
            raise UserInputError("there is no added class of that name", on=name, remedy=f"added classes: {added}")

    def _change(self, now: _Now, entry: Entry, stamp: Stamp) -> Change:
        bank = self._stepped(now, self._numbered(now, [entry]), self._arriver_for(now.bundle))
        return Change(self._commit(now, [entry], bank, stamp), now.version)

    def _commit(self, now: _Now, entries: Sequence[Entry], bank: Bank, stamp: Stamp) -> Version:
        self._ledger.append(entries)
        return self._publish(self._bundle_folder(now), bank, len(now.entries) + len(entries), stamp)

    def _publish(self, bundle_folder: Path, bank: Bank, entry: int, stamp: Stamp) -> Version:
        version = self._versions.publish(bundle_folder, bank, entry=entry, made=stamp.time, beside=self._beside)
        self._versions.point_to(version, entry=entry)
        return version

    def _bundle_folder(self, now: _Now) -> Path:
        return self._versions.path(now.version) / "bundle"

    @staticmethod
    def _numbered(now: _Now, entries: Sequence[Entry]) -> list[Entry]:
        """As the ledger will number them."""
        first = len(now.entries) + 1
        return [replace(entry, number=first + place, arrival=first) for place, entry in enumerate(entries)]

    def _stepped(self, now: _Now, entries: list[Entry], arriver: Arriver) -> Bank:
        state = states([*now.entries, *entries], now.trained)[-1]
        return self._step(now, now.bank, entries, state, arriver)

    def _step(self, now: _Now, bank: Bank, together: Sequence[Entry], state: State, arriver: Arriver) -> Bank:
        def bank_after(number: int) -> Bank:
            return self._replayed(now.bundle, now.entries[:number])

        return step(bank, together, state, bank_after, arriver)

    def _replayed(self, bundle: Bundle, entries: Sequence[Entry]) -> Bank:
        return replay(Bank.empty(bundle), entries, frozenset(bundle.class_names), self._arriver_for(bundle))
