"""The outcome of an arrival, as data; `components.live.telling` writes it in words and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.bank import BankedClass
from components.errors import ShotlineError
from components.inbox import Found
from components.ingest import PhotoError, Twin
from components.live.changes import Change

__all__ = ["MisplacedPhoto", "Outcome", "Taken"]


@dataclass(frozen=True)
class MisplacedPhoto:
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
    """The outcome of one change of the live classes by arrived photos.

    Attributes:
        change: see `Change`.
        refused: photos that could not be used.
        added: the facts of each arrived class that is now an added one.
        names: SHA-256 of each new photo to its file's name.
        misfits: photos given to trained classes that are answered as another class.
        twins: new photos that nearly equal another, by SHA-256.
        words: (words encoded, words in all) while the whole vocabulary is being built; else None.
    """

    change: Change
    refused: tuple[PhotoError, ...]
    added: tuple[BankedClass, ...]
    names: Mapping[str, str]
    misfits: tuple[MisplacedPhoto, ...] = ()
    twins: Mapping[str, Twin] = field(default_factory=dict)
    words: tuple[int, int] | None = None

    def called_otherwise(self, called: Callable[[str], str]) -> Outcome:
        """The outcome with other names of photos for people.

        Args:
            called: path under which a photo was read to the name for people.
        """
        refused = tuple(
            PhotoError(error.what, on=called(error.on), remedy=error.remedy, reason=error.reason)
            for error in self.refused
        )
        return replace(self, names={photo: called(name) for photo, name in self.names.items()}, refused=refused)

    def called(self, photo: str) -> str:
        """A photo's name for people."""
        return self.names.get(photo, f"an earlier photo, {photo[:12]}")

    def twin_called(self, twin: Twin) -> str:
        """The name for people of the photo that another nearly equals."""
        return f"data/raw/{twin.path}" if twin.path else self.called(twin.photo)


@dataclass
class Taken:
    """The outcome of the arrivals of an inbox.

    Attributes:
        outcomes: one for each change of what is live.
        refused: classes that were refused as a whole, by the folder's name.
        refused_photos: single files that were refused: name in the inbox, and what is wrong.
        unfinished: files that look incomplete, and why; they stay, to be judged later.
        failed: failures that are no mistake of a person there, by the folder's name: the class stays in the inbox.
        stuck: processed files that cannot be moved out of the inbox, and why; they are remembered.
        folders: `done` and `rejected`, if they were needed.
    """

    outcomes: list[Outcome] = field(default_factory=list)
    refused: dict[str, ShotlineError] = field(default_factory=dict)
    refused_photos: dict[str, ShotlineError] = field(default_factory=dict)
    unfinished: dict[Found, ShotlineError] = field(default_factory=dict)
    failed: dict[str, Exception] = field(default_factory=dict)
    stuck: dict[Path, str] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def add(self, later: Taken) -> None:
        """This outcome with that of the same arrivals later, when more files could be judged."""
        self.outcomes += later.outcomes
        for mine, more in ((self.refused, later.refused), (self.refused_photos, later.refused_photos)):
            mine |= more
        self.unfinished = later.unfinished
        self.failed |= later.failed
        self.stuck |= later.stuck
        self.folders |= later.folders
