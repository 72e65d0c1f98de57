"""Photos from anywhere into the workspace's photo folder."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from components.errors import UserInputError
from components.files import sha256_bytes
from components.ingest.left_out import write_left_out
from components.ingest.listings import find_listing, read_source
from components.ingest.manifest import check_classes
from components.ingest.sources import Listing, Rejected, is_passed_over, place, shown

__all__ = ["copy_photos"]

# Notes on what is not copied: whoever reads the copy cannot tell.
_NOT_SEEN_LATER = ("empty_class", "hidden_folder", "list_not_taken", "loose_photos")


def copy_photos(
    source: Path,
    target: Path,
    *,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
    told: Callable[[str], object] | None = None,
) -> Path | None:
    """Copy what `source` names as photos, with the list that names them, into the folder `target`.

    What lies there already with the same size and time of change is not copied again.

    Args:
        source: a photo folder in any layout of `ingest`, or one list of photos (CSV, Parquet, CoOp split file).
        target: the workspace's photo folder.
        replace: whether other photos in `target` may be moved aside.
        progress: called with (files done, files in all).
        told: called with a sentence on each kind of thing that is not copied. What should have been is also written
            down in `target`, so that `ingest` quarantines it.

    Returns:
        Where the photos went that were in `target` before, or None where nothing had to go.

    Raises:
        UserInputError: `source` cannot be trained on as a whole (nothing is copied then), or `target` holds other photos and `replace` is False.
    """
    if not source.exists():
        raise UserInputError("there is no such folder or file", on=str(source), remedy="check the path")
    root = (source if source.is_dir() else source.parent).resolve()
    if root == target.resolve():
        return None
    nested = UserInputError(
        "the photos lie in the workspace's own photo folder, or that lies among them, so they cannot be copied there",
        on=f"{source} and {target}",
        remedy="put the photos elsewhere, or run without DATA to train on what is there",
    )
    if source.is_dir() and (target.resolve() in root.parents or root in target.resolve().parents):
        raise nested
    source_of, names = _files(root, "auto" if source.is_dir() else source.name)
    # a list names its photos, whatever else lies beside it
    if source.is_file() and any(target.resolve() in Path(os.path.realpath(root / name)).parents for name in names):
        raise nested
    others = {path.relative_to(target).as_posix() for path in _present(target)} - set(names)
    aside = None
    if others:
        if not replace:
            raise UserInputError(
                f"the workspace already has {len(others)} other photos or lists, such as {min(others)}",
                on=str(target),
                remedy="add --replace to train on DATA alone (what is there is moved aside), or put DATA's photos there yourself",
            )
        aside = next(
            path for number in itertools.count(1) if not (path := target.with_name(f"{target.name}.{number}")).exists()
        )
        target.rename(aside)
    of_photo = {entry.path: entry for entry in source_of.entries}
    left_out = list(source_of.rejected)
    for done, (name, follow) in enumerate(names.items(), 1):
        problem = _copy(root / name, target / name, follow=follow)
        if problem is not None and name in of_photo:
            entry = of_photo[name]
            left_out.append(Rejected(shown(name), entry.label, entry.split, "unreadable", problem))
        elif problem is not None:
            raise UserInputError(problem, on=str(root / name), remedy="let yourself read it")
        if progress:
            progress(done, len(names))
    write_left_out(target, left_out)
    if told:
        for note in source_of.notes:
            if note.code in _NOT_SEEN_LATER:
                told(note.message)
        if left_out:
            told(_told(left_out))
    return aside


def _told(left_out: list[Rejected]) -> str:
    first = ", ".join(f"{file.path} ({file.detail})" for file in left_out[:3])
    more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
    return f"{len(left_out)} files or folders could not be copied and are quarantined: {first}{more}"


def _files(root: Path, listing: str) -> tuple[Listing, dict[str, bool]]:
    """The layout, and of each file to copy its path and whether a link there may be followed: one that leads out of
    `root` may not."""
    source = read_source(root, listing)
    check_classes(root, source)
    names = {entry.path: place(root, entry) is None for entry in source.entries}
    chosen = find_listing(root) if listing == "auto" else root / listing
    beside = [root / "classes.csv", *([chosen] if chosen else [])]
    names |= {path.name: True for path in beside if path.is_file()}
    return source, {name: follow for name, follow in sorted(names.items()) if not _is_missing(root / name)}


def _is_missing(path: Path) -> bool:
    """Whether nothing is there; what may not be looked at is there."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return path.is_dir() and not path.is_symlink()


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() or path.is_symlink()  # a broken link goes along: ingest lists it
    except OSError:  # a name that no file can have
        return False


def _present(target: Path) -> list[Path]:
    if not target.is_dir():
        return []
    return [
        path for path in target.rglob("*") if _is_there(path) and not path.is_dir() and not is_passed_over(path.name)
    ]


def _copy(source: Path, target: Path, *, follow: bool) -> str | None:
    """Copy a file or link; returns why it cannot be, or None."""
    try:
        if not (source.is_symlink() and not follow) and not stat.S_ISREG(source.stat().st_mode):
            return "it is not a regular file"  # reading a pipe or device would never end
        if _is_there(target) and _stamp(target, follow) == _stamp(source, follow):
            return None
        if follow:
            source.open("rb").close()  # not os.access, which asks for the user that started the process
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside and renamed: a killed copy leaves a hidden file, which is passed over, and DVC's cache, to which the old
    # file may be linked, is not written through. A link that leads out is copied as a link: ingest quarantines it.
    # Called by its hash: a name may already be as long as names can be.
    beside = target.with_name(f".{sha256_bytes(os.fsencode(target.name))[:16]}.copying")
    beside.unlink(missing_ok=True)
    shutil.copy2(source, beside, follow_symlinks=follow)
    beside.replace(target)
    return None


def _stamp(path: Path, follow: bool) -> tuple[int, int]:
    status = path.stat(follow_symlinks=follow)
    return status.st_size, status.st_mtime_ns
