"""Finds the layout of a photo folder, and the photos that it names.

Layouts: a folder per class; `train/`, `val/`, `test/`, each with a folder per class; a manifest (CSV or Parquet); a
CoOp split file. A list takes precedence over folders, since somebody wrote it on purpose. Two lists, or folders that
can be read in two ways, raise an error that says how to choose.

Photos lie at any depth under their class's folder. Files that systems leave behind (`components.leftovers`) and hidden
files are skipped silently; every other file or folder under a class's folder is either a photo or quarantined. Files
beside the classes' folders belong to no class; a note reports photos among them, and hidden folders with photos.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Mapping
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
    "shown",
    "unreadable_paths",
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


@dataclass(frozen=True, slots=True)
class Entry:
    """One photo that a layout names.

    Attributes:
        path: relative to the root, with slashes.
        label: its class, in Unicode's composed form.
        split: `train`, `val`, `test`, or None if the data has no splits.
    """

    path: str
    label: str
    split: str | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A file that is not used, and why: a row of the quarantine."""

    path: str
    label: str
    split: str | None
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Note:
    """Something that the user should know, though it stops nothing.

    Attributes:
        code: for programs, e.g. `empty_class`.
        message: what was seen and what to do, one sentence.
    """

    code: str
    message: str


@dataclass
class Listing:
    """The photos that a layout names.

    Attributes:
        layout: `folders`, `split_folders`, `manifest` or `coop`.
        entries: the photos, in no particular order.
        rejected: files refused without opening them.
        names: words for classes, if the layout gives them (a CoOp file does).
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
    """Whether a file or folder cannot be a photo or class: hidden, or left behind by a system or a program."""
    return name.startswith(".") or is_left_behind(name)


def shown(text: str) -> str:
    """Text as it can be printed and stored: bytes of a file name that are no UTF-8 are replaced."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


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
        return rejected("bad_name", "its file name is not valid UTF-8; rename it", shown(entry.path))
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


def unreadable_paths(root: Path) -> list[str]:
    """Paths under `root` that cannot or may not be read, relative to it, sorted; for a folder only the folder itself.

    Links that lead nowhere or out of it, pipes, sockets and devices, what there is no permission for, and names that
    are not UTF-8. Programs that walk a photo folder by other means than `ingest` must skip these.

    Args:
        root: the photo folder, resolved.
    """
    found = []
    walk = os.walk(root, onerror=lambda error: found.append(os.path.relpath(error.filename, root)))
    for here, folders, files in walk:
        relative = PurePosixPath(Path(here).relative_to(root).as_posix())
        wrong = [name for name in folders if name != shown(name) or Path(here, name).is_symlink()]
        folders[:] = [name for name in folders if name not in wrong]
        wrong += [name for name in files if not _is_readable(root, str(relative / name))]
        found += [str(relative / name) for name in wrong]
    return sorted(found)


def _is_readable(root: Path, name: str) -> bool:
    if name != shown(name) or place(root, Entry(name, "", None)) is not None:
        return False
    try:
        if not (root / name).is_file():
            return False
        with (root / name).open("rb"):  # not os.access, which asks for the user that started the process
            return True
    except OSError:
        return False


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
            label = normalised(shown(folder))
            spellings[label.casefold()].add(label)
            inside = PurePosixPath(base) / folder
            before = len(listing.entries) + len(listing.rejected)
            _read_class(root, inside, label, split, listing)
            if len(listing.entries) + len(listing.rejected) == before:
                listing.notes.append(Note("empty_class", f"{inside}/ holds no file: add photos or remove it"))
        listing.notes += _beside_classes(root, base)
    for labels in spellings.values():
        if len(labels) > 1:
            listing.notes.append(
                Note("alike_classes", f"{' and '.join(sorted(labels))} differ in capitals only; are they one class?")
            )
    return listing


def _beside_classes(root: Path, base: str) -> list[Note]:
    """Notes on files and folders beside the classes' folders that a person may take for a class or a photo."""
    where = f"in {base}/" if base else "beside the classes' folders"
    notes = []
    if loose := [name for name in _files(root / base) if Path(name).suffix.lower() in EXTENSIONS]:
        notes.append(
            Note(
                "loose_photos",
                f"{len(loose)} photos lie {where}, so their class is not known and they are not used: "
                f"{_some(loose, slash='')}; put them into a class's folder",
            )
        )
    hidden = _listed(root / base, lambda item: item.name.startswith(".") and item.is_dir(), hidden=True)
    for name in hidden:
        if _holds_photos(root / base / name):
            notes.append(
                Note("hidden_folder", f"{shown(name)}/ is hidden by its dot, so its photos are not used; rename it")
            )
    return notes


def _read_class(root: Path, folder: PurePosixPath, label: str, split: str | None, listing: Listing) -> None:
    top = root / folder
    if top.is_symlink():
        _reject_linked_folder(root, folder, label, split, listing)
        return

    def reject(path: PurePosixPath, reason: Reason, detail: str) -> None:
        listing.rejected.append(Rejected(shown(str(path)), label, split, reason, detail))

    def cannot_list(error: OSError) -> None:
        path = PurePosixPath(os.path.relpath(error.filename, root))
        reject(path, "unreadable", f"the folder cannot be listed ({error.strerror}), so no photo in it is used")

    if folder.name != shown(folder.name):
        reject(folder, "bad_name", "the folder's name is not valid UTF-8, so no photo in it is used; rename it")
        return
    nested = []
    for here, subfolders, files in os.walk(top, onerror=cannot_list):
        relative = PurePosixPath(Path(here).relative_to(root).as_posix())
        subfolders[:] = sorted(name for name in subfolders if not is_passed_over(name))
        for name in list(subfolders):
            if os.path.islink(Path(here, name)):  # noqa: PTH114 (a folder that may not be entered is no error here)
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
    listing.rejected.append(refused or Rejected(shown(str(folder)), label, split, "unsupported", detail))


def _folders(path: Path, *, links: bool = False) -> list[str]:
    """Folders to walk; with `links` also links to folders, and broken links whose name is not a file's."""

    def is_folder(item: os.DirEntry[str]) -> bool:
        if not item.is_symlink():
            return item.is_dir()
        try:
            leads_to_file, leads_to_folder = item.is_file(), item.is_dir()
        except OSError:  # a circle of links, or a folder that may not be entered
            leads_to_file = leads_to_folder = False
        return links and (leads_to_folder or (not leads_to_file and not Path(item.name).suffix))

    try:
        return _listed(path, is_folder)
    except OSError:  # the walk reports it
        return []


def _files(path: Path) -> list[str]:
    return _listed(path, lambda item: not item.is_dir())


def _listed(path: Path, wanted: Callable[[os.DirEntry[str]], bool], *, hidden: bool = False) -> list[str]:
    def is_wanted(item: os.DirEntry[str]) -> bool:
        try:
            return wanted(item)
        except OSError:  # it cannot be looked at
            return False

    with os.scandir(path) as found:
        passed_over = is_left_behind if hidden else is_passed_over
        return sorted(item.name for item in found if not passed_over(item.name) and is_wanted(item))


def _holds_photos(folder: Path) -> bool:
    return any(Path(name).suffix.lower() in EXTENSIONS for _, _, files in os.walk(folder) for name in files)


def _some(names: list[str], at_most: int = 3, *, slash: str = "/") -> str:
    more = len(names) - at_most
    return ", ".join(f"{shown(name)}{slash}" for name in names[:at_most]) + (f" and {more} more" if more > 0 else "")
