"""Resolves what a person names to photos: files, folders, patterns, lists and zip archives; each photo once.

Folders are read as `components.ingest` reads a class's folder: at any depth; hidden files and files that systems leave
behind are skipped; every other file is a photo or has an error. Links to folders are not followed.
"""

from __future__ import annotations

import glob
import os
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from components.errors import UserInputError
from components.ingest import Limits, PhotoError
from components.ingest.decode import EXTENSIONS
from components.ingest.sources import Entry, is_passed_over, place, shown

__all__ = ["NamedPhoto", "named_photos", "paths_in", "zip_photos"]

_LISTS = (".txt", ".lst")
_REMEDIES = {
    "outside_root": "name it itself",
    "missing": "put the photo back, or delete the link",
    "bad_name": "rename it",
}


@dataclass(frozen=True)
class NamedPhoto:
    """A photo to classify.

    Attributes:
        name: its name in the table: its path as given, or below the given folder or archive.
        load: gives its file, or its bytes if it lies in an archive; raises PhotoError if it may not be read.
        file: the file, None for a member of an archive.
    """

    name: str
    load: Callable[[], Path | bytes]
    file: Path | None = None


def named_photos(given: Iterable[str], limits: Limits, *, leave_out: Sequence[Path] = ()) -> list[NamedPhoto]:
    """The photos that these names mean, in the order of the names; photos of a folder are sorted.

    Args:
        given: of photos, folders, zip archives, lists (.txt with a path a line; CSV, TSV or Parquet with the column
            `path`; relative to the list's own folder) and patterns such as `photos/*.jpg`.
        limits: limits of a photo's size in an archive.
        leave_out: files and folders that are being written and so are no photos, even if they lie in a folder.

    Raises:
        UserInputError: a list or an archive cannot be read, or a pattern matches nothing.
    """
    left_out = {path.resolve() for path in leave_out}
    found: dict[str, NamedPhoto] = {}
    for name in given:
        for photo in _named(name, limits, from_list=False):
            if photo.file is None or not (left_out and _lies_in(photo.file, left_out)):
                found.setdefault(photo.name, photo)
    return list(found.values())


def paths_in(text: str) -> list[str]:
    """The paths in a text: one per line, or separated by zeros if it has any (`find -print0`)."""
    if "\0" in text:
        return [path for path in text.split("\0") if path]
    return [line.rstrip("\r") for line in text.split("\n") if line.strip()]


def _lies_in(file: Path, places: set[Path]) -> bool:
    real = file.parent.resolve() / file.name
    return real in places or any(parent in places for parent in real.parents)


def _named(name: str, limits: Limits, *, from_list: bool) -> Iterator[NamedPhoto]:
    path = Path(name)
    try:
        is_folder, exists = path.is_dir(), path.exists()
    except (OSError, ValueError):  # a path that cannot be followed: reading it gives the error
        is_folder, exists = False, True
    if is_folder:
        yield from _in_folder(path)
    elif not exists and not from_list and glob.has_magic(name):
        matches = sorted(glob.glob(name, recursive=True))  # noqa: PTH207 (a pattern as the shell knows it)
        if not matches:
            raise UserInputError("the pattern matches no file", on=name, remedy="check it, or name the folder")
        for match in matches:
            yield from _named(match, limits, from_list=True)
    elif exists and path.suffix.lower() == ".zip":
        yield from zip_photos(path, name, limits)
    elif exists and not from_list and (_is_table(path) or path.suffix.lower() in _LISTS):
        for listed in _listed(path):
            yield from _named(listed, limits, from_list=True)
    else:
        yield _file(name, path)


def _file(name: str, path: Path) -> NamedPhoto:
    if name != shown(name):
        return _refused(name, "bad_name", "its file name is not valid UTF-8", "rename it", file=path)
    return NamedPhoto(name, partial(_itself, path), path)


def _itself(path: Path) -> Path:
    return path


def _refused(name: str, reason: str, what: str, remedy: str, *, file: Path | None = None) -> NamedPhoto:
    """A photo that is not opened and has this error in its row."""
    error = PhotoError(what, on=shown(name), remedy=remedy, reason=reason)  # type: ignore[arg-type]
    return NamedPhoto(shown(name), partial(_raise, error), file)


def _raise(error: PhotoError) -> bytes:
    raise error


def _in_folder(folder: Path) -> Iterator[NamedPhoto]:
    root = folder.resolve()
    not_listed: list[OSError] = []
    for here, subfolders, files in os.walk(folder, onerror=not_listed.append):
        at = Path(here)
        subfolders[:] = sorted(name for name in subfolders if not is_passed_over(name))
        for name in list(subfolders):
            if (at / name).is_symlink():
                subfolders.remove(name)
                yield _refused(
                    str(at / name), "unsupported", "it is a link to a folder, which is not followed", "name the folder"
                )
        for name in sorted(files):
            if is_passed_over(name):
                continue
            path = at / name
            relative = str((root / path.relative_to(folder)).relative_to(root))
            rejected = place(root, Entry(relative, "", None))
            if rejected is not None:
                remedy = _REMEDIES.get(rejected.reason, "see to it, or delete it")
                yield _refused(str(path), rejected.reason, rejected.detail, remedy, file=path)
            elif path.suffix.lower() == ".zip":
                yield _refused(
                    str(path), "unsupported", "it is an archive, which is not opened in a folder", "name it itself"
                )
            else:
                yield NamedPhoto(str(path), partial(_itself, path), path)
    for error in not_listed:
        what = f"the folder cannot be listed ({error.strerror}), so no photo in it is answered"
        yield _refused(str(error.filename), "unreadable", what, "let yourself read it")


def _is_table(path: Path) -> bool:
    from components.ingest.table_files import is_table

    return is_table(path)


def _listed(path: Path) -> list[str]:
    """The paths in a list, relative to the current folder."""
    from components.ingest.table_files import decoded, read_table  # pyarrow: not for a photo that is not there

    if _is_table(path):
        rows = read_table(path, lambda columns: "path" in columns, ("path",)).rows
        names = [row["path"] for _, row in rows]
    else:
        try:
            names = paths_in(decoded(path.read_bytes(), path)[0])
        except OSError as error:
            raise UserInputError(
                f"the list cannot be read: {error.strerror}", on=str(path), remedy="check its permissions"
            ) from None
    if not names:
        raise UserInputError("the list names no photo", on=str(path), remedy="write a path a line")
    return [str(path.parent / name) for name in names]


def zip_photos(archive: Path | IO[bytes], name: str | None, limits: Limits) -> Iterator[NamedPhoto]:
    """The photos in a zip archive, called `NAME/MEMBER`, or `MEMBER` without a name, sorted; nothing is unpacked to the disk.

    A member is read when it is loaded, up to the greatest size of a photo.

    Raises:
        UserInputError: it is no archive.
    """
    try:
        opened = zipfile.ZipFile(archive)
    except (OSError, zipfile.BadZipFile) as error:
        raise UserInputError(
            f"the archive cannot be read ({getattr(error, 'strerror', None) or error})",
            on=name or "the archive",
            remedy="copy or make it again",
        ) from None
    for member in sorted(opened.infolist(), key=lambda member: member.filename):
        parts = [part for part in member.filename.split("/") if part not in ("", ".", "..")]
        if member.is_dir() or not parts or any(is_passed_over(part) for part in parts):
            continue
        shown_name = shown(member.filename) if name is None else f"{name}/{shown(member.filename)}"
        if parts[-1].lower().endswith(".zip"):
            what = "it is an archive within an archive, which is not opened"
            yield _refused(shown_name, "unsupported", what, "unpack the outer one")
            continue
        yield NamedPhoto(shown_name, partial(_unpacked, opened, member, shown_name, limits))


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, limits: Limits) -> bytes:
    if member.flag_bits & 1:
        raise PhotoError(
            "it is encrypted in its archive", on=name, remedy="pack it without a password", reason="unreadable"
        )
    try:
        with archive.open(member) as file:
            content = file.read(limits.max_bytes + 1)
    except (OSError, RuntimeError, NotImplementedError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise PhotoError(
            f"it cannot be unpacked ({error})", on=name, remedy="make the archive again", reason="unreadable"
        ) from None
    if len(content) > limits.max_bytes:
        raise PhotoError(
            f"it has more than {limits.max_bytes:,} bytes", on=name, remedy="use a smaller photo", reason="oversized"
        )
    if not content and Path(name).suffix.lower() in EXTENSIONS:
        raise PhotoError("the file is empty", on=name, remedy="give the whole file", reason="zero_byte")
    return content
