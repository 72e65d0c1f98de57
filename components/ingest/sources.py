"""Which layout a photo folder has, and which photos it names.

Layouts: a folder per class; `train/`, `val/`, `test/`, each with a folder per class; a manifest (CSV or Parquet); a
CoOp split file. A list beats folders, since somebody wrote it on purpose; two lists, or folders that can be read in two
ways, are an error that says how to choose.

Photos lie at any depth under their class's folder. Hidden files and folders, and what systems leave behind
(`components.leftovers`), are passed over in silence; every other file under a class's folder is either
a photo or quarantined. Files beside the classes' folders belong to no class and are left alone.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from components.errors import UserInputError
from components.ingest.decode import EXTENSIONS, Reason
from components.leftovers import is_left_behind

__all__ = [
    "SPLIT_OF_FOLDER",
    "Entry",
    "Listing",
    "Note",
    "Rejected",
    "normalised",
    "place",
    "read_folders",
    "refused_links",
]

SPLIT_OF_FOLDER = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Entry:
    """One photo that a layout names.

    Attributes:
        path: relative to the root, with slashes.
        label: its class, in Unicode's composed form.
        split: `train`, `val`, `test`, or None where the data has no splits.
    """

    path: str
    label: str
    split: str | None


@dataclass(frozen=True)
class Rejected:
    """A file that is not used, and why: a row of the quarantine."""

    path: str
    label: str
    split: str | None
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Note:
    """Something that the user should know and that stops nothing.

    Attributes:
        code: for programs, e.g. `empty_class`.
        message: what was seen and what to do, one sentence.
    """

    code: str
    message: str


@dataclass
class Listing:
    """What a layout names.

    Attributes:
        layout: `folders`, `split_folders`, `manifest` or `coop`.
        entries: the photos, in no particular order.
        rejected: files refused without opening them.
        names: words for a class that the layout itself gives (a CoOp file does).
        notes: what the user should know.
    """

    layout: str
    entries: list[Entry] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)


def normalised(text: str) -> str:
    """Text in Unicode's composed form: macOS writes folder names decomposed, spreadsheets composed."""
    return unicodedata.normalize("NFC", text)


def is_passed_over(name: str) -> bool:
    """Whether a file or folder is nobody's photo: hidden, or left behind by a system or a program."""
    return name.startswith(".") or is_left_behind(name)


def place(root: Path, entry: Entry) -> Rejected | None:
    """Why an entry's file may not be opened, or None.

    Args:
        root: the photo folder, resolved.
        entry: the photo.
    """

    def rejected(reason: Reason, detail: str, path: str = entry.path) -> Rejected:
        return Rejected(path, entry.label, entry.split, reason, detail)

    try:
        entry.path.encode()
    except UnicodeEncodeError:
        shown = entry.path.encode(errors="surrogateescape").decode(errors="replace")
        return rejected("bad_name", "its file name is not valid UTF-8; rename it", shown)
    path = root / entry.path
    try:
        real = path.resolve(strict=True)
    except FileNotFoundError:
        return rejected("missing", "there is no such file" if not path.is_symlink() else "it is a link to nothing")
    except (OSError, RuntimeError):
        return rejected("unreadable", "its path cannot be followed (a loop of links, or no permission)")
    if not real.is_relative_to(root):
        return rejected("outside_root", "it is a link that leads out of the photo folder")
    return None


def refused_links(root: Path) -> list[str]:
    """Links to files anywhere under `root` that lead nowhere or out of it: paths relative to it, sorted.

    Args:
        root: the photo folder, resolved.
    """
    return sorted(
        path.relative_to(root).as_posix()
        for folder, _, files in os.walk(root)
        for path in (Path(folder, name) for name in files)
        if path.is_symlink() and place(root, Entry(path.relative_to(root).as_posix(), "", None)) is not None
    )


def read_folders(root: Path) -> Listing:
    """The photos of a folder per class, or of `train/`, `val/`, `test/` with a folder per class each.

    Args:
        root: the photo folder, resolved.

    Raises:
        UserInputError: the folders name no class, or can be read in two ways.
    """
    folders = _folders(root)
    if not folders:
        loose = [name for name in _files(root) if Path(name).suffix.lower() in EXTENSIONS]
        if loose:
            raise UserInputError(
                f"{len(loose)} photos lie directly in the folder, so their classes are not known",
                on=str(root),
                remedy="put each class's photos in a folder of its own, or write a manifest.csv with path,class",
            )
        raise UserInputError(
            "the folder has neither class folders nor a list of photos",
            on=str(root),
            remedy="give a folder that holds one folder of photos per class",
        )
    by_split: dict[str, list[str]] = defaultdict(list)
    for name in folders:
        if name.lower() in SPLIT_OF_FOLDER:
            by_split[SPLIT_OF_FOLDER[name.lower()]].append(name)
    # A class may be called "train" (beside "car" and "bus"); only one that holds folders is a split.
    with_classes = {split for split, names in by_split.items() if any(_folders(root / name) for name in names)}
    if not with_classes:
        if set(folders) == {name for names in by_split.values() for name in names}:
            raise UserInputError(
                f"{', '.join(f'{name}/' for name in folders)} hold photos directly, so their classes are not known",
                on=str(root),
                remedy="make a folder per class in each of them, or write a manifest.csv with path,class,split",
            )
        return _read_classes(root, {None: ""}, "folders")
    _check_splits(root, folders, by_split)
    bases: dict[str | None, str] = {split: names[0] for split, names in by_split.items()}
    return _read_classes(root, bases, "split_folders")


def _check_splits(root: Path, folders: list[str], by_split: dict[str, list[str]]) -> None:
    for split, names in by_split.items():
        if len(names) > 1:
            raise UserInputError(
                f"{' and '.join(f'{name}/' for name in names)} both mean the {split} split",
                on=str(root),
                remedy="merge them, or rename one that means something else",
            )
    others = [name for name in folders if name.lower() not in SPLIT_OF_FOLDER and _holds_photos(root / name)]
    if others:
        splits = ", ".join(f"{name}/" for names in by_split.values() for name in names)
        raise UserInputError(
            f"{splits} with class folders in them stand beside {_some(others)}: splits or classes?",
            on=str(root),
            remedy="move the class folders into train/, or the splits elsewhere",
        )
    if "train" not in by_split:
        raise UserInputError(
            f"there is {by_split.popitem()[1][0]}/ but no train/",
            on=str(root),
            remedy="add train/ with a folder of photos per class",
        )


def _read_classes(root: Path, bases: Mapping[str | None, str], layout: str) -> Listing:
    listing = Listing(layout)
    spellings: dict[str, set[str]] = defaultdict(set)
    for split, base in bases.items():
        for folder in _folders(root / base, links=True):
            label = normalised(folder)
            spellings[label.casefold()].add(label)
            inside = PurePosixPath(base) / folder
            before = len(listing.entries) + len(listing.rejected)
            _read_class(root, inside, label, split, listing)
            if len(listing.entries) + len(listing.rejected) == before:
                listing.notes.append(Note("empty_class", f"{inside}/ holds no file: add photos or remove it"))
    for labels in spellings.values():
        if len(labels) > 1:
            listing.notes.append(
                Note("alike_classes", f"{' and '.join(sorted(labels))} differ in capitals only; are they one class?")
            )
    return listing


def _read_class(root: Path, folder: PurePosixPath, label: str, split: str | None, listing: Listing) -> None:
    top = root / folder
    if top.is_symlink():
        _reject_linked_folder(root, folder, label, split, listing)
        return
    nested = []
    for here, subfolders, files in os.walk(top):
        relative = PurePosixPath(Path(here).relative_to(root).as_posix())
        subfolders[:] = sorted(name for name in subfolders if not is_passed_over(name))
        for name in list(subfolders):
            if (Path(here) / name).is_symlink():
                subfolders.remove(name)
                _reject_linked_folder(root, relative / name, label, split, listing)
        nested += subfolders
        listing.entries += [
            Entry(str(relative / name), label, split) for name in sorted(files) if not is_passed_over(name)
        ]
    if nested:
        listing.notes.append(
            Note("nested_folders", f"{folder}/ holds folders ({_some(nested)}); their photos count as class {label}")
        )


def _reject_linked_folder(root: Path, folder: PurePosixPath, label: str, split: str | None, listing: Listing) -> None:
    # Links to folders are never followed: they can lead out of the root, or round in circles.
    detail = "it is a link to a folder, and those are not followed; copy the photos instead"
    refused = place(root, Entry(str(folder), label, split))
    listing.rejected.append(refused or Rejected(str(folder), label, split, "unsupported", detail))


def _folders(path: Path, *, links: bool = False) -> list[str]:
    with os.scandir(path) as found:
        return sorted(
            item.name
            for item in found
            if item.is_dir(follow_symlinks=True) and not is_passed_over(item.name) and (links or not item.is_symlink())
        )


def _files(path: Path) -> list[str]:
    with os.scandir(path) as found:
        return sorted(item.name for item in found if not is_passed_over(item.name) and not item.is_dir())


def _holds_photos(folder: Path) -> bool:
    return any(Path(name).suffix.lower() in EXTENSIONS for _, _, files in os.walk(folder) for name in files)


def _some(names: list[str], at_most: int = 3) -> str:
    more = len(names) - at_most
    return ", ".join(f"{name}/" for name in names[:at_most]) + (f" and {more} more" if more > 0 else "")
