"""Arrivals of an inbox: made live together, and moved out of it to where their outcome can be read.

What a person did wrong (a photo, a name, a class that the gate refuses) goes to `.rejected` with its reason, and the
rest goes on. What is nobody's mistake there (a full disk, a fault of ours) leaves its class in the inbox, to be tried
again; so does what looks unfinished and came a short time ago.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.bank import class_name
from components.errors import RefusedByGateError, ShotlineError, UserInputError
from components.inbox import Arrival, Found, Inbox, InboxSettings, Settling, what_is_missing
from components.ingest import PhotoError
from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from flows.classes import Outcome, ReadPhotos, Step, change, explain, read_photos, run

__all__ = ["Taken", "open_inbox", "take_in", "take_settled"]

_PATIENCE_S = 300.0

_NO_PHOTO = {
    "link": ("it is a link, and links are not followed", "put the photo itself there"),
    "folder": ("it is a folder inside a class's folder", "put its photos straight into the class's folder"),
    "device": ("it is not a regular file", "put a photo there"),
}
_BESIDE = ("it lies beside the classes' folders, so its class is not known", "put it into a folder named by its class")
# What reading says of a file that may not be whole yet.
_UNFINISHED = ("zero_byte", "truncated", "unreadable", "not_an_image", "missing")


@dataclass
class Taken:
    """What came of arrivals.

    Attributes:
        outcomes: one for each change of what is live.
        refused: what was refused as a whole, by the folder's name.
        refused_photos: what was refused singly: the file's name in the inbox and what is wrong with it.
        unfinished: what was left, since it looks as if it were not all there yet, and why; to be judged later.
        failed: what stopped a class, by the folder's name, that is nobody's mistake there: all of it stays.
        stuck: what was dealt with and cannot be moved out of the inbox, and why; it is remembered.
        folders: `done` and `rejected`, where they were needed.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    refused: dict[str, ShotlineError] = field(default_factory=dict)
    refused_photos: dict[str, ShotlineError] = field(default_factory=dict)
    unfinished: dict[Found, ShotlineError] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    stuck: dict[Path, str] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def explain(self) -> str:
        """For people, several lines."""
        lines = [explain(outcome) for outcome in self.outcomes]
        refusals = {**self.refused, **self.refused_photos}
        lines += [f"not taken: {name}: {error.what}; {error.remedy}" for name, error in refusals.items()]
        lines += [
            f"left for now: {_shown(found)}: {error.what}; it is judged again when it changes, or has not for a while"
            for found, error in self.unfinished.items()
        ]
        for (folder, reason), names in _by_folder(self.stuck).items():
            lines.append(
                f"dealt with, but not moved out of {_text(folder)} ({reason}): {', '.join(names)}; remembered, so not taken "
                "again unless changed"
            )
        lines += [f"{name}: {folder}" for name, folder in self.folders.items()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
            "refused": {name: error.what for name, error in {**self.refused, **self.refused_photos}.items()},
            "unfinished": {_shown(found): error.what for found, error in self.unfinished.items()},
            "failed": {_text(name): str(error) for name, error in self.failed.items()},
            "stuck": {_shown_path(path): reason for path, reason in self.stuck.items()},
            "folders": {name: str(folder) for name, folder in self.folders.items()},
        }

    def add(self, later: Taken) -> None:
        """What came of the same arrivals later on, when more of it could be judged."""
        self.outcomes += later.outcomes
        for mine, more in ((self.refused, later.refused), (self.refused_photos, later.refused_photos)):
            mine |= more
        self.unfinished = later.unfinished
        self.failed |= later.failed
        self.stuck |= later.stuck
        self.folders |= later.folders


def open_inbox(workspace: Workspace, folder: Path) -> tuple[Inbox, InboxSettings]:
    """The inbox and how it is watched.

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
    inbox: Inbox, arrivals: Sequence[Arrival], live: LiveWorkspace, settings: InboxSettings, call: Step = run
) -> Taken:
    """Make the classes of settled arrivals live in one change, and move their photos out of the inbox.

    Where that is refused each class is tried by itself, so that none is refused for another's sake. What is young
    (`Arrival.young`) and looks unfinished is left where it is.

    Args:
        inbox: where they lie.
        arrivals: what `Settling` gave.
        live: a warm one.
        settings: of the inbox.
        call: how each step is taken.

    Raises:
        Exception: what is nobody's mistake there (a full disk, a fault of ours), if nothing came of any arrival.
    """
    taking = _Taking(inbox, live, settings, call)
    try:
        taking.take(arrivals)
    finally:
        taken = taking.finished()
    if taken.failed and not (taken.outcomes or taken.refused or taken.refused_photos):
        raise next(iter(taken.failed.values()))
    return taken


def take_settled(workspace: Workspace, folder: Path, names: Sequence[str], call: Step = run) -> Taken:
    """Take the arrivals of these classes once they have settled, in a process that is not warm yet.

    Args:
        workspace: see `Workspace`.
        folder: the inbox.
        names: of folders in it; one that is not there any more was taken by somebody else.
        call: how each step is taken.

    Raises:
        UserInputError: they do not settle.
    """
    inbox, settings = open_inbox(workspace, folder)
    settling = Settling(settings.settle_s, unfinished_s=settings.unfinished_s)
    taken = Taken()
    with inbox.only_one():
        settling.settled(inbox.look())  # the first look: what comes now takes longer than photos take to settle
        live = LiveWorkspace.open(workspace)
        call("load", live.warm)
        deadline = time.monotonic() + _PATIENCE_S + settings.unfinished_s
        while True:
            there = [arrival for arrival in inbox.look() if arrival.name in names and arrival.name not in taken.failed]
            settled = settling.settled(there)
            pending = [arrival for arrival in there if not settling.is_left(arrival)]
            if not there:
                return taken
            if settled and len(settled) == len(pending):
                taken.add(take_in(inbox, settled, live, settings, call))
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
    """Arrivals on their way into what is live."""

    def __init__(self, inbox: Inbox, live: LiveWorkspace, settings: InboxSettings, call: Step) -> None:
        self._inbox = inbox
        self._live = live
        self._settings = settings
        self._call = call
        self._taken = Taken()
        self._filing = inbox.filing()

    def take(self, arrivals: Sequence[Arrival]) -> None:
        files = {arrival.name: found for arrival in arrivals if (found := self._files_of(arrival))}
        young = {path for arrival in arrivals for path in arrival.young}
        if not files:
            return
        read = self._call("read", lambda: self._read(files, young))
        for name, each in read.items():
            files[name] = self._usable(files[name], each.refused[name], young)
        self._make_live([name for name, each in read.items() if each.kept[name]], files, read)

    def finished(self) -> Taken:
        """All of it, written down in the inbox too."""
        self._filing.write("\n".join(explain(outcome) for outcome in self._taken.outcomes))
        self._taken.folders = dict(self._filing.folders)
        self._taken.stuck = dict(self._filing.stuck)
        return self._taken

    def _files_of(self, arrival: Arrival) -> list[Found]:
        """The files of an arrival; what can be no photo is refused."""
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
        """Of each class what could be read; one that fails is no reason for another to."""
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
            outcome = change(self._live, ReadPhotos.together([read[name] for name in names]), call=self._call)
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
        self._taken.refused[_text(name)] = error
        for found in everything:
            self._filing.reject(found, error)
        with contextlib.suppress(OSError):  # not empty: more has come
            (self._inbox.folder / name).rmdir()

    def _refuse(self, found: Found, error: ShotlineError, young: Collection[Path] = ()) -> None:
        # A link or a device stays what it is.
        if found.path in young and found.kind in ("file", "folder"):
            self._taken.unfinished[found] = error
        elif self._filing.reject(found, error) is not None:  # else it has changed, and is judged as it is then
            self._taken.refused_photos[_shown(found)] = error


def _doubt_of(young: Collection[Path]) -> Callable[[Path, bytes], str | None]:
    def doubt(path: Path, content: bytes) -> str | None:
        return what_is_missing(content) if path in young else None

    return doubt


def _by_folder(stuck: Mapping[Path, str]) -> dict[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for path, reason in stuck.items():
        found.setdefault((path.parent.name, reason), []).append(_text(path.name))
    return found


def _shown(found: Found) -> str:
    return _shown_path(found.path)


def _shown_path(path: Path) -> str:
    return _text(f"{path.parent.name}/{path.name}")


def _text(name: str) -> str:
    """A file's name as it can be printed: bytes that are no text are shown as such."""
    return os.fsencode(name).decode(errors="replace")
