"""Arrivals of an inbox: made live together, and moved out of it to where their outcome can be read.

What a person did wrong (a photo, a name, a class that the gate refuses) goes to `.rejected` with its reason, and the
rest goes on. What is nobody's mistake there (a full disk, a fault of ours) is raised: everything stays in the inbox.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from components.bank import class_name
from components.errors import RefusedByGateError, ShotlineError, UserInputError
from components.inbox import Arrival, Filing, Found, Inbox, InboxSettings, Settling
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


@dataclass
class Taken:
    """What came of arrivals.

    Attributes:
        outcomes: one for each change of what is live.
        refused: what was refused as a whole, by the folder's name.
        refused_photos: what was refused singly: the file's name in the inbox and what is wrong with it.
        folders: `done` and `rejected`, where they were needed.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    refused: dict[str, ShotlineError] = field(default_factory=dict)
    refused_photos: dict[str, ShotlineError] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def explain(self) -> str:
        """For people, several lines."""
        lines = [explain(outcome) for outcome in self.outcomes]
        refusals = {**self.refused, **self.refused_photos}
        lines += [f"not taken: {name}: {error.what}; {error.remedy}" for name, error in refusals.items()]
        lines += [f"{name}: {folder}" for name, folder in self.folders.items()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
            "refused": {name: error.what for name, error in {**self.refused, **self.refused_photos}.items()},
            "folders": {name: str(folder) for name, folder in self.folders.items()},
        }


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

    Where that is refused each class is tried by itself, so that none is refused for another's sake.

    Args:
        inbox: where they lie.
        arrivals: what `Settling` gave.
        live: a warm one.
        settings: of the inbox.
        call: how each step is taken.
    """
    taken, filing = Taken(), inbox.filing()
    try:
        files = {}
        for arrival in arrivals:
            try:
                files[arrival.name] = _photos_of(arrival, taken, filing, settings)
            except UserInputError as error:
                _refuse_all(inbox.folder / arrival.name, arrival.takable, error, taken, filing)
        paths = {name: [each.path for each in found] for name, found in files.items() if found}
        if paths:
            read = call("read", lambda: read_photos(live, paths))
            files = {name: _without_refused(files[name], read, name, taken, filing) for name in paths}
            _make_live([name for name in paths if read.kept[name]], inbox, files, read, live, taken, filing, call)
    finally:
        filing.write("\n".join(explain(outcome) for outcome in taken.outcomes))
        taken.folders = dict(filing.folders)
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
    settling = Settling(settings.settle_s)
    with inbox.only_one():
        settling.settled(inbox.look())  # the first look: what comes now takes longer than photos take to settle
        live = LiveWorkspace.open(workspace)
        call("load", live.warm)
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            there = inbox.look()
            settled = [arrival for arrival in settling.settled(there) if arrival.name in names]
            waiting = {arrival.name for arrival in there}.intersection(names)
            if len(settled) == len(waiting):
                return take_in(inbox, settled, live, settings, call) if settled else Taken()
            if time.monotonic() > deadline:
                raise UserInputError(
                    f"photos went on changing for {_PATIENCE_S:.0f} s",
                    on=", ".join(sorted(waiting)),
                    remedy="announce them again when they are all there",
                )
            time.sleep(settings.poll_s)


def _photos_of(arrival: Arrival, taken: Taken, filing: Filing, settings: InboxSettings) -> list[Found]:
    """The files of an arrival; what can be no photo is refused at once.

    Raises:
        UserInputError: its name cannot be, or there are too many.
    """
    if not arrival.name:
        for found in arrival.takable:
            _refuse(found, UserInputError(_BESIDE[0], on=found.path.name, remedy=_BESIDE[1]), taken, filing)
        return []
    class_name(arrival.name)
    files = [found for found in arrival.takable if found.kind == "file"]
    if len(files) > settings.most_photos:
        raise UserInputError(
            f"it brings {len(files)} photos at once; at most {settings.most_photos} are taken",
            on=arrival.name,
            remedy="bring fewer, or raise inbox.most_photos in params.yaml",
        )
    for found in arrival.takable:
        if found.kind != "file":
            what, remedy = _NO_PHOTO[found.kind]
            _refuse(found, UserInputError(what, on=found.path.name, remedy=remedy), taken, filing)
    return files


def _without_refused(files: list[Found], read: ReadPhotos, name: str, taken: Taken, filing: Filing) -> list[Found]:
    errors = {error.on: error for error in read.refused[name]}
    for found in files:
        if error := errors.get(str(found.path)):
            _refuse(found, error, taken, filing)
    return [found for found in files if str(found.path) not in errors]


def _make_live(
    names: Sequence[str],
    inbox: Inbox,
    files: dict[str, list[Found]],
    read: ReadPhotos,
    live: LiveWorkspace,
    taken: Taken,
    filing: Filing,
    call: Step,
) -> None:
    if not names:
        return
    try:
        part = replace(read, kept={name: read.kept[name] for name in names}, refused={name: [] for name in names})
        outcome = change(live, part, call=call)
    except (UserInputError, RefusedByGateError) as error:
        if len(names) > 1:
            for name in names:
                _make_live([name], inbox, files, read, live, taken, filing, call)
            return
        _refuse_all(inbox.folder / names[0], files[names[0]], error, taken, filing)
        return
    taken.outcomes.append(outcome)
    for name in names:
        for found in files[name]:
            filing.done(found)


def _refuse_all(folder: Path, everything: Sequence[Found], error: ShotlineError, taken: Taken, filing: Filing) -> None:
    taken.refused[_text(folder.name)] = error
    for found in everything:
        filing.reject(found, error)
    with contextlib.suppress(OSError):  # not empty: more has come
        folder.rmdir()


def _refuse(found: Found, error: ShotlineError, taken: Taken, filing: Filing) -> None:
    filing.reject(found, error)
    taken.refused_photos[_text(f"{found.path.parent.name}/{found.path.name}")] = error


def _text(name: str) -> str:
    """A file's name as it can be printed: bytes that are no text are shown as such."""
    return os.fsencode(name).decode(errors="replace")
