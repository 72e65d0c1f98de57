"""What people said of single labels in a photo folder, written down in the folder: photos and lists stay as they are.

Append-only, one JSON object a line: who said what of which photo, and when. The last word on a photo holds; a word that
is taken back gives way to the one before. A word counts as long as the folder gives the photo the label that it was said
of, so that a photo that was moved by hand since is not moved twice.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from filelock import FileLock, Timeout

from components.errors import ShotlineError, UserInputError
from components.files import write_bytes
from components.ingest.sources import Note, Rejected

__all__ = [
    "LabelWord",
    "append_label_word",
    "cut_label_words",
    "holding",
    "read_label_words",
    "take_label_words",
    "with_label_words",
]

_NAME = ".labels.jsonl"  # hidden, so that it is nobody's photo
_LOCK_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class LabelWord:
    """One line.

    Attributes:
        photo: SHA-256 of its bytes.
        action: `relabel`, `drop` (train without it), `right` (do not ask again), or `undo` (the last word on the photo).
        label: the class that the photo folder gives it.
        to: the class that it is to have; empty unless it is relabelled.
        who: the user.
        time: ISO 8601 in UTC.
    """

    photo: str
    action: Literal["relabel", "drop", "right", "undo"]
    label: str
    to: str
    who: str
    time: str


class Labelled(Protocol):
    """What has a label: a frozen dataclass such as `Photo`."""

    @property
    def id(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def split(self) -> str | None: ...


AnyLabelled = TypeVar("AnyLabelled", bound=Labelled)


def read_label_words(root: Path) -> list[LabelWord]:
    """All words of a photo folder, oldest first; a line without its end, which a broken copy leaves, is left out.

    Raises:
        ShotlineError: a line cannot be read.
    """
    path = root / _NAME
    if not path.is_file():
        return []
    *lines, _ = path.read_text(encoding="utf-8").split("\n")
    words = []
    for number, line in enumerate(lines, 1):
        try:
            words.append(LabelWord(**{field.name: json.loads(line)[field.name] for field in fields(LabelWord)}))
        except (ValueError, TypeError, KeyError) as error:
            raise ShotlineError(
                f"line {number} of what was said of labels cannot be read: {error}",
                on=str(path),
                remedy="restore the file (`dvc checkout`), or take the line out",
            ) from error
    return words


def append_label_word(root: Path, word: LabelWord) -> None:
    """Write a word down."""
    # Beside the folder, not in it: what is tracked must not hold a lock's file.
    lock = FileLock(root.with_name(f".{root.name}.labels.lock"))
    try:
        with lock.acquire(timeout=_LOCK_TIMEOUT_S):
            _write(root, [*read_label_words(root), word])
    except Timeout:
        raise UserInputError(
            "another word on a label is being written and does not end", on=str(root), remedy="try again"
        ) from None


def cut_label_words(root: Path, time: datetime) -> None:
    """Leave the words of that time, in a photo folder that is not the workspace's own."""
    words = read_label_words(root)
    known = [word for word in words if datetime.fromisoformat(word.time) <= time]
    if len(known) < len(words):
        _write(root, known)


def take_label_words(root: Path, target: Path) -> None:
    """Bring the words along into the folder that takes the place of another: photos that are in it again keep theirs."""
    if words := read_label_words(root):
        _write(target, words)


def holding(words: Iterable[LabelWord]) -> dict[str, LabelWord]:
    """The word that holds on each photo of which one does."""
    said: dict[str, list[LabelWord]] = {}
    for word in words:
        of_photo = said.setdefault(word.photo, [])
        if word.action == "undo":
            del of_photo[-1:]
        else:
            of_photo.append(word)
    return {photo: of_photo[-1] for photo, of_photo in said.items() if of_photo}


def with_label_words(
    root: Path, photos: Sequence[AnyLabelled], labels: Collection[str]
) -> tuple[list[AnyLabelled], list[Rejected], list[Note]]:
    """Photos as people said that they are labelled.

    Args:
        root: the photo folder.
        photos: as it labels them.
        labels: the classes that it names.

    Returns:
        the photos that are used, those that were dropped, and words that cannot be followed.
    """
    words = holding(read_label_words(root))
    kept: list[AnyLabelled] = []
    dropped, notes = [], []
    for photo in photos:
        word = words.get(photo.id)
        if word is None or word.label != photo.label or word.action == "right":
            kept.append(photo)
        elif word.action == "drop":
            why = f"{word.who} dropped it on {word.time[:10]}; back: shotline relabel {photo.id[:12]} --undo"
            dropped.append(Rejected(photo.path, photo.label, photo.split, "dropped", why))
        elif word.to in labels:
            kept.append(replace(photo, label=word.to))  # type: ignore[type-var]  # a Protocol cannot say dataclass
        else:
            kept.append(photo)
            lost = f"{photo.path} was relabelled {word.to}, which is no class here, so it stays {photo.label}"
            notes.append(Note("label_lost", lost))
    return kept, dropped, notes


def _write(root: Path, words: Sequence[LabelWord]) -> None:
    lines = "".join(json.dumps(asdict(word), ensure_ascii=False) + "\n" for word in words)
    write_bytes(root / _NAME, lines.encode())
