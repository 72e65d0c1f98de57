"""Makes the arrivals of an inbox live together, and moves them out of it, with a text on their outcome.

A photo or class with a mistake of a person (a bad photo, a bad name, a class that the gate refuses) is moved to
`.rejected` with its reason, and the others are taken. After a failure that is no mistake of a person there (a full
disk, a fault of ours) the class stays in the inbox, to be tried again. Recent files that look unfinished stay too.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from components.bank import class_name
from components.errors import RefusedByGateError, ShotlineError, UserInputError
from components.inbox import Arrival, Found, Inbox, InboxSettings, Settling, what_is_missing
from components.ingest import PhotoError
from components.live.arrivals import ReadPhotos, change, read_photos
from components.live.opening import LiveWorkspace
from components.live.outcome import Taken
from components.live.telling import explain_outcome, shown_path
from components.running import Runner, run_plainly
from components.wording import printable
from components.workspace import Workspace

__all__ = ["open_inbox", "take_in", "take_settled"]

_PATIENCE_S = 300.0

_NO_PHOTO = {
    "link": ("it is a link, and links are not followed", "put the photo itself there"),
    "folder": ("it is a folder inside a class's folder", "put its photos straight into the class's folder"),
    "device": ("it is not a regular file", "put a photo there"),
}
_BESIDE = ("it lies beside the classes' folders, so its class is not known", "put it into a folder named by its class")
# Reasons of the reader that may mean an incomplete file.
_UNFINISHED = ("zero_byte", "truncated", "unreadable", "not_an_image", "missing")


def open_inbox(workspace: Workspace, folder: Path) -> tuple[Inbox, InboxSettings]:
    """The inbox and its settings.

    Raises:
        UserInputError: it is no folder, or one that the workspace keeps its own photos in.
    """
    inbox = Inbox(folder)
    for own in (workspace.raw, workspace.arrivals, workspace.models):
        if inbox.folder.is_relative_to(own.resolve()) or own.resolve().is_relative_to(inbox.folder):
            raise UserInputError(
                "the inbox and a folder of the workspace lie in one another",
                on=f"{inbox.folder}, {own}",
                remedy="make the inbox elsewhere; its photos are moved",
            )
    return inbox, workspace.parameters.section("inbox", InboxSettings)


def take_in(
    inbox: Inbox, arrivals: Sequence[Arrival], live: LiveWorkspace, settings: InboxSettings, run: Runner = run_plainly
) -> Taken:
    """Make the classes of settled arrivals live in one change, and move their photos out of the inbox.

    If that is refused, each class is tried alone, so that none is refused because of another. Files that are young
    (`Arrival.young`) and look unfinished stay where they are.

    Args:
        inbox: where they lie.
        arrivals: those that `Settling` gave.
        live: a `LiveWorkspace` that is loaded already.
        settings: of the inbox.
        run: how each step is run.

    Raises:
        Exception: a failure that is no mistake of a person there (a full disk, a fault of ours), if no arrival was
            taken.
    """
    taking = _Taking(inbox, live, settings, run)
    try:
        taking.take(arrivals)
    finally:
        taken = taking.finished()
    if taken.failed and not (taken.outcomes or taken.refused or taken.refused_photos):
        raise next(iter(taken.failed.values()))
    return taken


def take_settled(workspace: Workspace, folder: Path, names: Sequence[str], run: Runner = run_plainly) -> Taken:
    """Take the arrivals of these classes once they have settled, in a process that has loaded nothing yet.

    Args:
        workspace: see `Workspace`.
        folder: the inbox.
        names: of folders in it; a folder that is gone was taken by another process.
        run: how each step is run.

    Raises:
        UserInputError: they do not settle.
    """
    inbox, settings = open_inbox(workspace, folder)
    settling = Settling(settings.settle_s, unfinished_s=settings.unfinished_s)
    taken = Taken()
    with inbox.only_one():
        settling.settled(inbox.look())  # first look, before loading: that takes longer than settling
        live = LiveWorkspace.open(workspace)
        run("load", live.warm)
        deadline = time.monotonic() + _PATIENCE_S + settings.unfinished_s
        while True:
            there = [arrival for arrival in inbox.look() if arrival.name in names and arrival.name not in taken.failed]
            settled = settling.settled(there)
            pending = [arrival for arrival in there if not settling.is_left(arrival)]
            if not there:
                return taken
            if settled and len(settled) == len(pending):
                taken.add(take_in(inbox, settled, live, settings, run))
                settling.leave(list(taken.unfinished))
            elif time.monotonic() > deadline:
                if pending and not taken.outcomes:
                    raise UserInputError(
                        f"photos went on changing for {_PATIENCE_S:.0f} s",
                        on=", ".join(sorted(arrival.name for arrival in pending)),
                        remedy="announce them again when they are all there",
                    )
                return taken
            time.sleep(settings.poll_s)


class _Taking:
    """The processing of some arrivals of an inbox."""

    def __init__(self, inbox: Inbox, live: LiveWorkspace, settings: InboxSettings, run: Runner) -> None:
        self._inbox = inbox
        self._live = live
        self._settings = settings
        self._run = run
        self._taken = Taken()
        self._filing = inbox.filing()

    def take(self, arrivals: Sequence[Arrival]) -> None:
        files = {arrival.name: found for arrival in arrivals if (found := self._files_of(arrival))}
        young = {path for arrival in arrivals for path in arrival.young}
        if not files:
            return
        read = self._run("read", lambda: self._read(files, young))
        for name, each in read.items():
            files[name] = self._usable(files[name], each.refused[name], young)
        self._make_live([name for name, each in read.items() if each.kept[name]], files, read)

    def finished(self) -> Taken:
        """Process all arrivals; the outcome is written into the inbox too."""
        self._filing.write("\n".join(explain_outcome(outcome) for outcome in self._taken.outcomes))
        self._taken.folders = dict(self._filing.folders)
        self._taken.stuck = dict(self._filing.stuck)
        return self._taken

    def _files_of(self, arrival: Arrival) -> list[Found]:
        """The files of an arrival; those that cannot be photos are refused."""
        if not arrival.name:
            for found in arrival.takable:
                error = UserInputError(_BESIDE[0], on=found.path.name, remedy=_BESIDE[1])
                self._refuse(found, error, arrival.young)
            return []
        files = [found for found in arrival.takable if found.kind == "file"]
        try:
            class_name(arrival.name, self._live.class_names())
            self._require_not_too_many(arrival.name, files)
        except UserInputError as error:
            self._refuse_all(arrival.name, arrival.takable, error, arrival.young)
            return []
        for found in arrival.takable:
            if found.kind != "file":
                what, remedy = _NO_PHOTO[found.kind]
                self._refuse(found, UserInputError(what, on=found.path.name, remedy=remedy), arrival.young)
        return files

    def _require_not_too_many(self, name: str, files: Sequence[Found]) -> None:
        if len(files) > self._settings.most_photos:
            raise UserInputError(
                f"it brings {len(files)} photos at once; at most {self._settings.most_photos} are taken",
                on=name,
                remedy="bring fewer, or raise inbox.most_photos in params.yaml",
            )

    def _read(self, files: Mapping[str, Sequence[Found]], young: Collection[Path]) -> dict[str, ReadPhotos]:
        """Read each class separately, so that one that fails does not stop another."""
        read = {}
        for name, found in files.items():
            paths = [each.path for each in found]
            try:
                read[name] = read_photos(self._live, {name: paths}, doubt=_doubt_of(young))
            except Exception as error:  # noqa: BLE001 (told, and tried again; the others go on)
                self._taken.failed[name] = error
        return read

    def _usable(self, files: Sequence[Found], refused: Sequence[PhotoError], young: Collection[Path]) -> list[Found]:
        errors = {error.on: error for error in refused}
        for found in files:
            if error := errors.get(str(found.path)):
                self._refuse(found, error, young if error.reason in _UNFINISHED else ())
        return [found for found in files if str(found.path) not in errors]

    def _make_live(
        self, names: Sequence[str], files: Mapping[str, Sequence[Found]], read: Mapping[str, ReadPhotos]
    ) -> None:
        if not names:
            return
        try:
            outcome = change(self._live, ReadPhotos.together([read[name] for name in names]), run=self._run)
        except Exception as error:  # noqa: BLE001 (one class that fails is no reason for another to)
            if len(names) > 1:
                for name in names:
                    self._make_live([name], files, read)
            elif isinstance(error, (UserInputError, RefusedByGateError)):
                self._refuse_all(names[0], files[names[0]], error)
            else:
                self._taken.failed[names[0]] = error
            return
        self._taken.outcomes.append(outcome)
        self._filing.done([found for name in names for found in files[name]])

    def _refuse_all(
        self, name: str, everything: Sequence[Found], error: ShotlineError, young: Collection[Path] = ()
    ) -> None:
        if any(found.path in young for found in everything):
            self._taken.unfinished |= dict.fromkeys(everything, error)
            return
        self._taken.refused[printable(name)] = error
        for found in everything:
            self._filing.reject(found, error)
        with contextlib.suppress(OSError):  # not empty: more files have come
            (self._inbox.folder / name).rmdir()

    def _refuse(self, found: Found, error: ShotlineError, young: Collection[Path] = ()) -> None:
        # A link or a device never becomes a photo.
        if found.path in young and found.kind in ("file", "folder"):
            self._taken.unfinished[found] = error
        elif self._filing.reject(found, error) is not None:  # else it has changed, and is judged again later
            self._taken.refused_photos[shown_path(found.path)] = error


def _doubt_of(young: Collection[Path]) -> Callable[[Path, bytes], str | None]:
    def doubt(path: Path, content: bytes) -> str | None:
        return what_is_missing(content) if path in young else None

    return doubt
