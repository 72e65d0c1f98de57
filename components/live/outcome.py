"""What came of photos that arrived, as data; `components.live.telling` says it in words and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.bank import BankedClass
from components.errors import ShotlineError
from components.inbox import Found
from components.ingest import PhotoError, Twin
from components.live.changes import Change

__all__ = ["Misfit", "Outcome", "Taken"]


@dataclass(frozen=True)
class Misfit:
    """A photo given to a trained class that the classifier takes for another.

    Attributes:
        class_name: the class that it was given to.
        photo: its SHA-256.
        taken_for: the class with the highest probability.
    """

    class_name: str
    photo: str
    taken_for: str


@dataclass(frozen=True)
class Outcome:
    """What an arrival came to.

    Attributes:
        change: see `Change`.
        refused: photos that could not be used.
        added: of each class that arrived and is now an added one, what is known of it.
        names: what photos that came now were called, by their SHA-256.
        misfits: photos given to trained classes that are answered otherwise now.
        twins: photos that came now and nearly equal another, by SHA-256.
        words: how many words of the whole vocabulary of how many are encoded, while that is being built; None else.
    """

    change: Change
    refused: tuple[PhotoError, ...]
    added: tuple[BankedClass, ...]
    names: Mapping[str, str]
    misfits: tuple[Misfit, ...] = ()
    twins: Mapping[str, Twin] = field(default_factory=dict)
    words: tuple[int, int] | None = None

    def called_otherwise(self, called: Callable[[str], str]) -> Outcome:
        """The same, with other names of photos for people.

        Args:
            called: from the path under which a photo was read to what it is called.
        """
        refused = tuple(
            PhotoError(error.what, on=called(error.on), remedy=error.remedy, reason=error.reason)
            for error in self.refused
        )
        return replace(self, names={photo: called(name) for photo, name in self.names.items()}, refused=refused)

    def called(self, photo: str) -> str:
        """What a photo is called for people."""
        return self.names.get(photo, f"an earlier photo, {photo[:12]}")

    def twin_called(self, twin: Twin) -> str:
        """Where the photo lies that another nearly equals."""
        return f"data/raw/{twin.path}" if twin.path else self.called(twin.photo)


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

    def add(self, later: Taken) -> None:
        """What came of the same arrivals later on, when more of it could be judged."""
        self.outcomes += later.outcomes
        for mine, more in ((self.refused, later.refused), (self.refused_photos, later.refused_photos)):
            mine |= more
        self.unfinished = later.unfinished
        self.failed |= later.failed
        self.stuck |= later.stuck
        self.folders |= later.folders
