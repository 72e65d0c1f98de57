"""Changes to the classes of a workspace: each passes the gate, is written to the ledger, and then moves the pointer.

This order makes a kill at any moment harmless. First the photos are kept (alone they change nothing). Then the ledger's
line is written, and the change counts. Then the version is published, and last the pointer moves. The next writer
completes a change that is in the ledger but not yet in the pointer. A change that brings another bundle, a rollback or
a consolidation, names its version in the ledger, so that version is there before the line is.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from components.bank import (
    Answering,
    ArrivalPhotos,
    Bank,
    ColumnFitter,
    Ledger,
    LedgerEntry,
    State,
    by_arrival,
    class_name,
    fit_arrival,
    made_from,
    photos_in_use,
    replay,
    spelling,
    states,
    step,
)
from components.classifier import Bundle, OtherBundleVersionError
from components.errors import UserInputError
from components.live.bundle_gate import BundleVerdict, judge_bundle
from components.live.gate import GateVerdict, compare_known, judge
from components.live.now import Now
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
    """The result of a change.

    Attributes:
        version: live now.
        before: live before; the same version if nothing had to change.
        verdict: the gate's, if classes were added.
        bundle_verdict: the gate's, if a bundle was replaced.
        waiting: trained classes whose photos now wait for consolidation.
    """

    version: Version
    before: Version
    verdict: GateVerdict | None = None
    bundle_verdict: BundleVerdict | None = None
    waiting: tuple[str, ...] = ()


class Changes:
    """The one way to change what is live.

    Args:
        ledger: of the workspace.
        photos: photos of its arrivals.
        versions: its live versions.
        fitter_for: makes the `ColumnFitter` of a bundle.
        gate: thresholds.
        beside: further files to keep with each version (`dvc.lock`, `params.yaml`).
    """

    def __init__(
        self,
        ledger: Ledger,
        photos: ArrivalPhotos,
        versions: Versions,
        fitter_for: Callable[[Bundle], ColumnFitter],
        gate: GateSettings,
        beside: Sequence[Path] = (),
    ) -> None:
        self._ledger = ledger
        self._photos = photos
        self._versions = versions
        self._fitter_for = fitter_for
        self._gate = gate
        self._beside = tuple(beside)

    def add(
        self, arrival: Mapping[str, Sequence[str]], stamp: Stamp, *, vocabulary: str = "", force: bool = False
    ) -> Change:
        """Add classes, or photos to added ones; photos of trained classes wait in the ledger.

        Args:
            arrival: name to the SHA-256 of its photos, which `ArrivalPhotos` holds.
            stamp: who and when.
            vocabulary: which one judges the names: `starter`, `full`, or none.
            force: overrule the gate.

        Raises:
            UserInputError: a name is not valid, or there is no photo; nothing is changed.
            RefusedByGateError: it would do harm; nothing is changed.
        """
        with self._turn(stamp) as now:
            wanted = {class_name(name, now.names): tuple(photos) for name, photos in arrival.items()}
            if len(wanted) < len(arrival):
                raise UserInputError("a class is given twice", on=", ".join(arrival), remedy="give all photos at once")
            fresh = now.fresh(wanted)
            if not fresh:  # the same arrival was made before
                return Change(
                    now.version, now.version, waiting=tuple(name for name in wanted if name in now.state.waiting)
                )
            entries = [
                LedgerEntry(
                    "add", stamp.who, stamp.time, now.version.name, name=name, photos=photos, vocabulary=vocabulary
                )
                for name, photos in fresh.items()
            ]
            numbered = now.numbered(entries)
            state = states([*now.entries, *numbered], now.trained)[-1]
            fitted = fit_arrival(now.bank, numbered, state, self._fitter_for(now.bundle))
            bank, verdict = now.bank, None
            if fitted is not None:
                bank = fitted.bank
                change = compare_known(Answering(now.bundle, fitted.before), Answering(now.bundle, bank))
                verdict = judge(fitted.before.known, fitted.new, fitted.addition, change, self._gate)
                if not force:
                    verdict.require()
                entries = [replace(entry, forced=bool(verdict.refusals)) for entry in entries]
            version = self._commit(now, entries, bank, stamp)
            waiting = tuple(name for name in fresh if name in now.trained)
            return Change(version, now.version, verdict, waiting=waiting)

    def remove(self, name: str, stamp: Stamp) -> Change:
        """Remove an added class; all other answers are then as if it had never been there.

        For a trained class, the photos that wait for consolidation are removed.

        Raises:
            UserInputError: it is no added class, and no photos wait for it.
        """
        with self._turn(stamp) as now:
            name = now.called(name)
            if name not in now.state.waiting:
                now.require_added(name)
            return self._change(now, LedgerEntry("remove", stamp.who, stamp.time, now.version.name, name=name), stamp)

    def rename(self, name: str, new_name: str, stamp: Stamp) -> Change:
        """Rename an added class; its column stays.

        Raises:
            UserInputError: it is no added class, or the new name is not valid or taken.
        """
        with self._turn(stamp) as now:
            name, new_name = now.called(name), class_name(new_name, now.names)
            now.require_added(name)
            if new_name == name:
                raise UserInputError("it has that name already", on=name, remedy="give another name")
            if new_name in now.state.classes or new_name in now.trained:
                raise UserInputError("there is a class of that name", on=new_name, remedy="choose another name")
            if spelling(new_name) != spelling(name):
                now.require_distinct(new_name)
            entry = LedgerEntry("rename", stamp.who, stamp.time, now.version.name, name=name, new_name=new_name)
            return self._change(now, entry, stamp)

    def roll_back(self, stamp: Stamp, to: str | None = None) -> Change:
        """Make an earlier version live again, with the classes and the waiting photos of its time.

        Over a consolidation, the older bundle answers again, and the class is an added one again. `data/raw` and the
        stages' bundle stay: consolidating or training again undoes the rollback.

        Args:
            stamp: who and when.
            to: the version, or the beginning of its name; None: the version before.

        Raises:
            UserInputError: there is no such version, or no earlier one.
        """
        with self._turn(stamp) as now:
            pointer = self._versions.pointer()
            if to is None and (pointer is None or not pointer.before):
                raise UserInputError("nothing was ever changed", on="what is live", remedy="name a version")
            target = self._versions.find(to or pointer.before)  # type: ignore[union-attr]
            if target == now.version:
                return Change(now.version, now.version)
            if target.entry > len(now.entries):
                raise UserInputError(
                    f"the ledger has {len(now.entries)} entries, and that version contains {target.entry}",
                    on=target.name,
                    remedy="restore the ledger that led to it (dvc checkout data/arrivals/ledger.jsonl)",
                )
            if not_there := self._purged_of(target, now.entries):
                raise UserInputError(
                    f"{len(not_there)} photos that the version was made from were purged",
                    on=target.name,
                    remedy="go to a version without their classes, or add the classes again",
                )
            # The state when it was last in use: photos may have been added to the waiting ones since it was made.
            left = [entry.arrival - 1 for entry in now.entries if entry.made_on == target.name]
            entered = [entry.number for entry in now.entries if entry.to == target.name]
            back_to = max([target.entry, *left, *entered])
            entry = LedgerEntry("rollback", stamp.who, stamp.time, now.version.name, back_to=back_to, to=target.name)
            self._ledger.append([entry])
            self._versions.point_to(target, entry=len(now.entries) + 1)
            return Change(target, now.version)

    def adopt(self, bundle_folder: Path, stamp: Stamp) -> Change | None:
        """Make a bundle live, with the bank that the ledger gives beside it; None if it is live already.

        The gate's verdict is reported but does not refuse: a person who trains wants the result.
        """
        bundle = Bundle.load(bundle_folder)
        with self._ledger.turn() as entries:
            current = self._versions.current()
            if current is not None and current.bundle == bundle.version and self._versions.entry() == len(entries):
                self._versions.point_to(current, entry=len(entries), stages=bundle.version)
                return None
            bank = self._replayed(bundle, entries)
            verdict = None
            if current is not None:
                with suppress(OtherBundleVersionError):  # of another release: it cannot be read or compared
                    verdict = judge_bundle(self._versions.load(current), (bundle, bank), self._gate)
            version = self._publish(bundle_folder, bank, len(entries), stamp, stages=bundle.version)
            return Change(version, current or version, bundle_verdict=verdict)

    def to_consolidate(self, names: Sequence[str], stamp: Stamp) -> dict[str, tuple[str, ...]]:
        """Photos that are not in `data/raw`, by class; see `Now.to_consolidate`."""
        with self._turn(stamp) as now:
            return now.to_consolidate(names)

    def consolidate(
        self, bundle_folder: Path, moved: Mapping[str, tuple[str, ...]], stamp: Stamp, *, force: bool = False
    ) -> Change:
        """Make live a bundle that was also trained on photos of the ledger; these then count as photos of `data/raw`.

        Args:
            bundle_folder: of the new bundle.
            moved: class name to the SHA-256 of its photos that now lie in `data/raw`; later photos keep waiting.
            stamp: who and when.
            force: overrule the gate.

        Raises:
            UserInputError: the bundle does not know one of the classes, or the ledger has changed about them; nothing
                is changed.
            RefusedByGateError: the live classifier is better on the classes that both know; nothing is changed.
        """
        bundle = Bundle.load(bundle_folder)
        with self._turn(stamp) as now:
            waiting = now.to_consolidate()
            if gone := [name for name, photos in moved.items() if not {*photos} <= {*waiting.get(name, ())}]:
                raise UserInputError(
                    "the class was removed, renamed or rolled back while it was trained on",
                    on=", ".join(gone),
                    remedy="consolidate again",
                )
            if unknown := [name for name in moved if name not in bundle.class_names]:
                raise UserInputError(
                    "the classifier that was trained does not know the class: none of its photos could be learnt from",
                    on=", ".join(unknown),
                    remedy="see which were refused and why (reports/validation/index.html), and give others",
                )
            entries = [
                LedgerEntry("consolidate", stamp.who, stamp.time, now.version.name, name=name, photos=photos)
                for name, photos in moved.items()
            ]
            bank = self._replayed(bundle, [*now.entries, *now.numbered(entries)])
            verdict = judge_bundle((now.bundle, now.bank), (bundle, bank), self._gate)
            if not force:
                verdict.require()
            # Published before the entries are written: after a kill in between, it is only an unused version.
            version = self._versions.publish(
                bundle_folder, bank, entry=len(now.entries), made=stamp.time, beside=self._beside
            )
            self._ledger.append([replace(entry, to=version.name, forced=bool(verdict.refusals)) for entry in entries])
            self._versions.point_to(version, entry=len(now.entries) + len(entries), stages=bundle.version)
            return Change(version, now.version, bundle_verdict=verdict)

    def purge(self, photos: Sequence[str], stamp: Stamp) -> Change:
        """Record the deletion of photos of removed classes; the caller deletes the files afterwards.

        Classes that were fitted beside those photos are fitted anew, as if the photos had never come, so that the live
        version follows from the ledger.

        Raises:
            UserInputError: a class has one of them, or `data/raw` got it by a consolidation.
        """
        with self._turn(stamp) as now:
            if kept := {*photos} & photos_in_use(now.entries, now.trained):
                raise UserInputError(
                    f"{len(kept)} of the photos are in use", on=str(self._ledger.path), remedy="ask again what may go"
                )
            entry = LedgerEntry("purge", stamp.who, stamp.time, now.version.name, photos=tuple(photos))
            (numbered,) = now.numbered([entry])
            bank = self._after_purge(now, numbered)
            return Change(self._commit(now, [entry], bank, stamp), now.version)

    def unmade_by(self, photos: Collection[str]) -> list[Version]:
        """Live versions that could not be derived again without these photos, oldest first."""
        entries = self._ledger.entries()
        return [version for version in self._versions.all() if self._made_from(version, entries) & {*photos}]

    def _purged_of(self, version: Version, entries: Sequence[LedgerEntry]) -> frozenset[str]:
        purged = {photo for entry in entries[version.entry :] if entry.action == "purge" for photo in entry.photos}
        return self._made_from(version, entries) & purged

    def _made_from(self, version: Version, entries: Sequence[LedgerEntry]) -> frozenset[str]:
        trained = frozenset(self._versions.facts(version)[0].class_names)
        return made_from(entries, trained, min(version.entry, len(entries)))

    def _after_purge(self, now: Now, purge: LedgerEntry) -> Bank:
        before = [*now.entries[: purge.number - 1]]
        if not made_from(before, now.trained, len(before)) & {*purge.photos}:
            return now.bank
        return self._replayed(now.bundle, [*before, purge])

    @contextmanager
    def _turn(self, stamp: Stamp) -> Iterator[Now]:
        """A writer's turn; it first completes a change that an earlier writer did not finish."""
        with self._ledger.turn() as entries:
            version = self._versions.current()
            if version is None:
                raise UserInputError(
                    "nothing is live yet", on=str(self._versions.folder), remedy="train first: shotline train PHOTOS"
                )
            now = self._at(version, entries)
            if self._versions.entry() != len(entries):
                now = self._finished(now, self._versions.entry())
                stages = now.version.bundle if entries and entries[-1].action == "consolidate" else None
                version = self._publish(self._bundle_folder(now), now.bank, len(entries), stamp, stages=stages)
                now = replace(now, version=version)
            yield now

    def _at(self, version: Version, entries: list[LedgerEntry]) -> Now:
        bundle, bank = self._versions.load(version)
        return Now(entries, states(entries, frozenset(bundle.class_names))[-1], version, bundle, bank)

    def _finished(self, now: Now, done: int) -> Now:
        """The state with the bank that the ledger leads to; the pointer includes its first `done` entries."""
        if done > len(now.entries):  # an older ledger was restored; the ledger decides
            return replace(now, bank=self._replayed(now.bundle, now.entries))
        for together in by_arrival(now.entries[done:]):
            if to := together[-1].to:
                if not any(version.name == to for version in self._versions.all()):
                    raise UserInputError(
                        f"the ledger made the version {to} live, which is not here; it is another machine's",
                        on=str(self._versions.folder),
                        remedy="make live what its stages wrote: dvc pull, then shotline publish",
                    )
                now = self._at(self._versions.find(to), now.entries)
                continue
            if together[0].action == "purge":
                now = replace(now, bank=self._after_purge(now, together[0]))
                continue
            state = states(now.entries[: together[-1].number], now.trained)[-1]
            now = replace(now, bank=self._step(now, together, state))
        return now

    def _change(self, now: Now, entry: LedgerEntry, stamp: Stamp) -> Change:
        numbered = now.numbered([entry])
        bank = self._step(now, numbered, states([*now.entries, *numbered], now.trained)[-1])
        return Change(self._commit(now, [entry], bank, stamp), now.version)

    def _commit(self, now: Now, entries: Sequence[LedgerEntry], bank: Bank, stamp: Stamp) -> Version:
        self._ledger.append(entries)
        return self._publish(self._bundle_folder(now), bank, len(now.entries) + len(entries), stamp)

    def _publish(
        self, bundle_folder: Path, bank: Bank, entry: int, stamp: Stamp, *, stages: str | None = None
    ) -> Version:
        version = self._versions.publish(bundle_folder, bank, entry=entry, made=stamp.time, beside=self._beside)
        self._versions.point_to(version, entry=entry, stages=stages)
        return version

    def _bundle_folder(self, now: Now) -> Path:
        return self._versions.path(now.version) / "bundle"

    def _step(self, now: Now, together: Sequence[LedgerEntry], state: State) -> Bank:
        def bank_after(number: int) -> Bank:
            return self._replayed(now.bundle, now.entries[:number])

        return step(now.bank, together, state, bank_after, self._fitter_for(now.bundle))

    def _replayed(self, bundle: Bundle, entries: Sequence[LedgerEntry]) -> Bank:
        return replay(Bank.empty(bundle), entries, frozenset(bundle.class_names), self._fitter_for(bundle))
