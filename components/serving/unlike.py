"""Compares new photos, a folder or what the service kept, with those that the live classifier has learnt from: which differ, and how."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.artefacts import PhotoTables
from components.errors import UserInputError
from components.evaluate.appearance import Appearance, AppearanceChange, appearance_of, changes
from components.evaluate.shift import LEVEL, Shift
from components.ingest import Limits, PhotoError, load_image
from components.leftovers import is_left_behind
from components.pool import Pool, PoolSettings
from components.pool.keeping import in_sample
from components.serving.answers import PhotoClassifier
from components.serving.drift import home_of
from components.wording import counted, printable
from components.workspace import Workspace

__all__ = ["FolderShift", "photos_in", "shift_of_folder", "shift_of_kept", "shift_of_photos"]

_APPEARANCE = 200  # so many learnt photos are measured; more give the same result
_KEPT = 200  # of the last photos
_FEW = 8  # photos with which little can be shown
_TOLD_PHOTOS = 5
_TOLD_CLASSES = 3
_WORDS = {
    "light": "light",
    "contrast": "contrast",
    "colour": "colour",
    "blur": "sharpness",
    "blocks": "compression",
    "size": "size",
}


@dataclass(frozen=True)
class FolderShift:
    """The result for a folder.

    Attributes:
        shift: the shift of the readable photos.
        paths: paths of the readable photos.
        classes: names of the classes, in the order of `shift.classes`' numbers.
        changes: how their appearance differs, the clearest change first.
        unreadable: paths of the other files.
        bank: version of the classifier.
    """

    shift: Shift
    paths: list[Path]
    classes: list[str]
    changes: list[AppearanceChange]
    unreadable: list[PhotoError]
    bank: str

    @property
    def alarm(self) -> bool:
        """Whether the photos are unlike the learnt ones, in content or in appearance."""
        return self.shift.alarm or bool(self.changes)

    @property
    def furthest(self) -> list[tuple[Path, float]]:
        """Photos further off than 99 in 100 learnt ones, the furthest first, with the share of learnt ones that are
        nearer.
        """
        order = self.shift.distances.argsort(descending=True, stable=True).tolist()
        return [(self.paths[row], float(self.shift.rank[row])) for row in order if self.shift.rank[row] >= 0.99]

    @property
    def told(self) -> list[str]:
        """Lines for people."""
        shift, n = self.shift, len(self.paths)
        verdict = "unlike" if self.alarm else "like"
        lines = [
            f"{counted(n, 'photo')}, {verdict} those that were learnt from: one of them lies further off than a learnt one in "
            f"{100 * shift.further:.0f} of 100 cases (50 is home; p {_told_p(shift.p)}, alarm under {LEVEL})"
        ]
        if self.changes and not shift.alarm:
            lines.append("  what is on them is like what was learnt; how they look is not")
        if n < _FEW and not self.alarm:
            lines.append(f"  so few photos show little; {_FEW} or more are better")
        for change in self.changes:
            lines.append(
                f"  {_WORDS[change.figure]}: {change.told} ({change.new:.3g}; learnt photos {change.home:.3g}; the middle one of each)"
            )
        if shift.alarm and not self.changes:
            lines.append(
                "  light, contrast, colour, sharpness, compression and size are as before: it is the things on them that are others"
            )
        if shift.alarm:
            far = [(self.classes[label], count, rank) for label, (count, rank) in shift.by_class().items()]
            lines += [
                f"  nearest to {name}: {counted(count, 'photo')}, further off than {100 * rank:.0f} % of the learnt ones"
                for name, count, rank in far[:_TOLD_CLASSES]
            ]
        furthest = self.furthest
        lines += [f"  far: {printable(str(path))}" for path, _ in furthest[:_TOLD_PHOTOS]]
        if len(furthest) > _TOLD_PHOTOS:
            lines.append(f"  and {len(furthest) - _TOLD_PHOTOS} more that lie further off than 99 in 100 learnt ones")
        if self.unreadable:
            lines.append(f"  left out: {counted(len(self.unreadable), 'file')} that cannot be read as a photo")
        return lines

    def to_json(self) -> dict[str, Any]:
        """For scripts: `photos`, `alarm`, `p`, `level`, `further`, `changes`, `by_class`, `far`, `unreadable`, `bank`."""
        return {
            "photos": len(self.paths),
            "alarm": self.alarm,
            "p": self.shift.p,
            "level": LEVEL,
            "further": self.shift.further,
            "changes": [
                {"figure": each.figure, "told": each.told, "home": each.home, "new": each.new, "p": each.p}
                for each in self.changes
            ],
            "by_class": [
                {"class": self.classes[label], "photos": count, "rank": rank}
                for label, (count, rank) in self.shift.by_class().items()
            ],
            "far": [{"path": str(path), "rank": rank} for path, rank in self.furthest],
            "unreadable": [error.on for error in self.unreadable],
            "bank": self.bank,
        }


def shift_of_folder(workspace: Workspace, classifier: PhotoClassifier, folder: Path) -> FolderShift:
    """Compare the photos in a folder, in those below it too, with those that the classifier has learnt from.

    Raises:
        UserInputError: there is no photo, or the classifier has learnt from a single one.
    """
    found = photos_in(folder)
    if not found:
        raise UserInputError("there is no photo", on=str(folder), remedy="name a folder with photos")
    return shift_of_photos(workspace, classifier, found)


def shift_of_kept(workspace: Workspace, classifier: PhotoClassifier) -> FolderShift:
    """Compare what the service was asked about of late: the random sample that `shotline serve --keep` keeps in the pool.

    Photos that it kept for being unsure of them alone are left out: they lie far off wherever they come from.

    Raises:
        UserInputError: it has kept none, or the classifier has learnt from a single photo.
    """
    pool = Pool(workspace.pool)
    settings = workspace.parameters.section("pool", PoolSettings)
    service = [each.photo for each in pool.photos() if each.origin == "service"]
    sample = [photo for photo in service if in_sample(photo, settings)][-_KEPT:]
    if not sample:
        raise UserInputError(
            "the service has kept no random sample yet",
            on=str(workspace.pool),
            remedy="have it keep some (shotline serve --keep; pool.keep_sample), or name a folder with photos",
        )
    return shift_of_photos(workspace, classifier, [*pool.files(sample).values()])


def shift_of_photos(workspace: Workspace, classifier: PhotoClassifier, paths: Sequence[Path]) -> FolderShift:
    """Compare photos with those that the classifier has learnt from.

    Raises:
        UserInputError: none can be read, or the classifier has learnt from a single one.
    """
    embeddings, readable, unreadable = _embedded(classifier, paths)
    if not readable:
        raise UserInputError(
            "none of the files can be read as a photo", on=str(paths[0].parent), remedy="name a folder with photos"
        )
    bundle, bank = classifier.bundle, classifier.bank
    shift = home_of(classifier).shift(embeddings)
    files, labels = _learnt_files(workspace, classifier)
    before, theirs = _looks(files, labels, bundle.limits)
    after, nearest = _looks(readable, shift.classes.tolist(), bundle.limits)
    return FolderShift(
        shift=shift,
        paths=readable,
        classes=[*bundle.display_names, *bank.names],
        changes=changes(before, after, (theirs, nearest)),
        unreadable=unreadable,
        bank=bank.version,
    )


def photos_in(folder: Path) -> list[Path]:
    """Every file in a folder and the folders below, except files that systems leave behind, in the order of names.

    Raises:
        UserInputError: it is no folder.
    """
    if not folder.is_dir():
        raise UserInputError("there is no such folder", on=str(folder), remedy="name a folder with photos")
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and not is_left_behind(path.name)]


def _embedded(
    classifier: PhotoClassifier, paths: Sequence[Path], batch: int = 32
) -> tuple[Tensor, list[Path], list[PhotoError]]:
    rows, readable, unreadable = [], [], []
    for start in range(0, len(paths), batch):
        some = paths[start : start + batch]
        for path, found in zip(some, classifier.embed(some), strict=True):
            if isinstance(found, PhotoError):
                unreadable.append(found)
            else:
                rows.append(found.float())
                readable.append(path)
    return torch.stack(rows) if rows else torch.empty(0, 0), readable, unreadable


def _learnt_files(workspace: Workspace, classifier: PhotoClassifier) -> tuple[list[Path], list[int]]:
    """The files of learnt photos that are still in `data/raw`, and the numbers of their classes."""
    tables = PhotoTables(workspace.validated)
    if not tables.manifest_file.is_file():
        return [], []
    table = tables.manifest(["id", "path"])
    place = dict(zip(table["id"].to_pylist(), table["path"].to_pylist(), strict=True))
    number = {name: label for label, name in enumerate(classifier.bundle.class_names)}
    learnt = [
        (workspace.raw / place[photo], number[name])
        for name, photos in classifier.bundle.split.items()
        for photo in photos
        if photo in place
    ]
    there = [(path, label) for path, label in learnt if path.is_file()]
    return [path for path, _ in there], [label for _, label in there]


def _looks(paths: Sequence[Path], classes: Sequence[int], limits: Limits) -> tuple[list[Appearance], list[int]]:
    """The appearance of photos, an evenly drawn sample of limited size, and their classes."""
    step = max(1, len(paths) // _APPEARANCE)
    found, labels = [], []
    for path, label in zip(paths[::step], classes[::step], strict=True):
        try:
            found.append(appearance_of(load_image(path, limits, name=str(path))))
        except (OSError, PhotoError):
            continue
        labels.append(label)
    return found, labels


def _told_p(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"= {p:.4f}" if p < 0.01 else f"= {p:.2f}"
