"""Photos from anywhere into the workspace's photo folder."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserInputError
from components.files import sha256_bytes
from components.ingest.label_words import take_label_words
from components.ingest.left_out import write_left_out
from components.ingest.listings import find_listing, read_source
from components.ingest.manifest import check_classes
from components.ingest.sources import Listing, Rejected, is_passed_over, place, shown

__all__ = ["PhotoCopy", "copy_photos", "plan_copy"]

# Notes on files that are not copied: a reader of the copy could not know of them.
_NOT_SEEN_LATER = ("empty_class", "hidden_folder", "list_not_taken", "loose_photos")


@dataclass(frozen=True)
class PhotoCopy:
    """The plan of a copy into a photo folder; nothing is done before `run`.

    Attributes:
        root: the folder that the source's paths are relative to.
        target: the workspace's photo folder.
        names: path of each file, and whether a link there is followed.
        aside: where the photos that are in `target` now are moved; None if they stay.
        listing: the source as it was read; None if source and target are the same, so that there is nothing to copy.
    """

    root: Path
    target: Path
    names: Mapping[str, bool]
    aside: Path | None = None
    listing: Listing | None = None

    def run(
        self, progress: Callable[[int, int], None] | None = None, told: Callable[[str], object] | None = None
    ) -> None:
        """Copy. A target that is new, or that replaces another, appears only when it is complete.

        The old photos are moved aside at the end: a copy that fails or is cut off leaves them where they were. A photo
        that cannot be read is noted in the target, so that `ingest` quarantines it.

        Args:
            progress: called with (files done, files in all).
            told: called with one sentence for each kind of file that is not copied.

        Raises:
            UserInputError: the list of photos or `classes.csv` cannot be read.
            OSError: for example a full disk; a new target is then not there, and an old one is unchanged.
        """
        if self.listing is None:
            return
        if self.target.exists() and self.aside is None:
            left_out = self._copy_into(self.target, self.listing, progress)
        else:
            left_out = self._copy_beside(self.listing, progress)
        if told:
            for note in self.listing.notes:
                if note.code in _NOT_SEEN_LATER:
                    told(note.message)
            if left_out:
                told(_told(left_out))

    def _copy_beside(self, listing: Listing, progress: Callable[[int, int], None] | None) -> list[Rejected]:
        beside = self.target.with_name(f".{self.target.name}.copying")
        _remove_others(beside, self.names)  # the rest of another copy; a rest of this one is continued
        try:
            left_out = self._copy_into(beside, listing, progress)
            take_label_words(self.target, beside)
            if self.aside is not None:
                self.target.rename(self.aside)
            beside.rename(self.target)
        except (OSError, UserInputError):
            shutil.rmtree(beside, ignore_errors=True)
            if self.aside is not None and self.aside.exists() and not self.target.exists():
                self.aside.rename(self.target)
            raise
        return left_out

    def _copy_into(self, folder: Path, listing: Listing, progress: Callable[[int, int], None] | None) -> list[Rejected]:
        """Copy every file; returns the photos that cannot be copied, which it notes in the target too."""
        of_photo = {entry.path: entry for entry in listing.entries}
        left_out = list(listing.rejected)
        folder.mkdir(parents=True, exist_ok=True)
        for done, (name, follow) in enumerate(self.names.items(), 1):
            problem = _copy(self.root / name, folder / name, follow=follow)
            if problem is not None and name in of_photo:
                entry = of_photo[name]
                left_out.append(Rejected(shown(name), entry.label, entry.split, "unreadable", problem))
            elif problem is not None:
                raise UserInputError(problem, on=str(self.root / name), remedy="let yourself read it")
            if progress:
                progress(done, len(self.names))
        write_left_out(folder, left_out)
        return left_out


def copy_photos(
    source: Path,
    target: Path,
    *,
    replace: bool = False,
    progress: Callable[[int, int], None] | None = None,
    told: Callable[[str], object] | None = None,
) -> Path | None:
    """Plan a copy and run it; see `plan_copy` for the arguments and errors.

    Returns:
        Where the old photos of `target` were moved; None if nothing had to be moved.
    """
    copy = plan_copy(source, target, replace=replace)
    copy.run(progress, told)
    return copy.aside


def plan_copy(source: Path, target: Path, *, replace: bool = False) -> PhotoCopy:
    """Plan the copy of the photos that `source` names, and of the list that names them, into `target`.

    A file that is there already with the same size and modification time is not copied again.

    Args:
        source: a photo folder in any layout of `ingest`, or one list of photos (CSV, Parquet, CoOp split file).
        target: the workspace's photo folder.
        replace: whether other photos in `target` may be moved aside.

    Raises:
        UserInputError: `source` cannot be trained on as a whole, `target` holds other photos and `replace` is False,
            or the disk cannot take the copy.
    """
    if not source.exists():
        raise UserInputError("there is no such folder or file", on=str(source), remedy="check the path")
    root = (source if source.is_dir() else source.parent).resolve()
    if root == target.resolve():
        return PhotoCopy(root, target, {})
    nested = UserInputError(
        "the photos lie in the workspace's own photo folder, or that lies among them, so they cannot be copied there",
        on=f"{source} and {target}",
        remedy="put the photos elsewhere, or run without DATA to train on what is there",
    )
    if source.is_dir() and (target.resolve() in root.parents or root in target.resolve().parents):
        raise nested
    listing, names = _files(root, "auto" if source.is_dir() else source.name)
    # a list names its photos; other files beside it do not count
    if source.is_file() and any(target.resolve() in Path(os.path.realpath(root / name)).parents for name in names):
        raise nested
    others = {path.relative_to(target).as_posix() for path in _present(target)} - set(names)
    if others and not replace:
        raise UserInputError(
            f"the workspace already has {len(others)} other photos or lists, such as {min(others)}",
            on=str(target),
            remedy="add --replace to train on DATA alone (what is there is moved aside), or put DATA's photos there yourself",
        )
    if others and target.is_mount():
        raise UserInputError(
            "the photo folder is a disk of its own, which cannot be moved aside",
            on=str(target),
            remedy="move what is in it elsewhere yourself, then run this again",
        )
    aside = _free_name(target) if others else None
    copy = PhotoCopy(root, target, names, aside, listing)
    _check_space(copy)
    return copy


def _free_name(target: Path) -> Path:
    return next(
        path for number in itertools.count(1) if not (path := target.with_name(f"{target.name}.{number}")).exists()
    )


def _check_space(copy: PhotoCopy) -> None:
    now = copy.target if copy.aside is None else copy.target.with_name(f".{copy.target.name}.copying")
    needed = sum(_size_to_copy(copy.root / name, now / name, follow) for name, follow in copy.names.items())
    folder = next(path for path in (copy.target, *copy.target.parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise UserInputError(
            f"the photos need {needed / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free there; nothing was copied",
            on=str(folder),
            remedy="make room, or have the workspace on a larger disk",
        )


def _size_to_copy(source: Path, target: Path, follow: bool) -> int:
    try:
        if _is_there(target) and _stamp(target, follow) == _stamp(source, follow):
            return 0
        return source.stat(follow_symlinks=follow).st_size
    except OSError:  # it will be left out, with a note
        return 0


def _remove_others(folder: Path, names: Mapping[str, bool]) -> None:
    if folder.is_symlink() or folder.is_file():
        folder.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # it holds files that stay
                path.rmdir()
        elif path.relative_to(folder).as_posix() not in names:
            path.unlink()


def _told(left_out: list[Rejected]) -> str:
    first = ", ".join(f"{file.path} ({file.detail})" for file in left_out[:3])
    more = f" and {len(left_out) - 3} more" if len(left_out) > 3 else ""
    return f"{len(left_out)} files or folders could not be copied and are quarantined: {first}{more}"


def _files(root: Path, listing: str) -> tuple[Listing, dict[str, bool]]:
    """The layout, and for each file to copy its path and whether a link there may be followed (not out of `root`)."""
    source = read_source(root, listing)
    check_classes(root, source)
    names = {entry.path: place(root, entry) is None for entry in source.entries}
    chosen = find_listing(root) if listing == "auto" else root / listing
    beside = [root / "classes.csv", *([chosen] if chosen else [])]
    names |= {path.name: True for path in beside if path.is_file()}
    return source, {name: follow for name, follow in sorted(names.items()) if not _is_missing(root / name)}


def _is_missing(path: Path) -> bool:
    """Whether nothing is there; a path that may not be looked at counts as there."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return True
    except OSError as error:
        return error.errno == errno.ENAMETOOLONG
    return path.is_dir() and not path.is_symlink()


def _is_there(path: Path) -> bool:
    try:
        return path.is_file() or path.is_symlink()  # a broken link is copied too: ingest lists it
    except OSError:  # a name that no file can have
        return False


def _present(target: Path) -> list[Path]:
    if not target.is_dir():
        return []
    return [
        path for path in target.rglob("*") if _is_there(path) and not path.is_dir() and not is_passed_over(path.name)
    ]


def _copy(source: Path, target: Path, *, follow: bool) -> str | None:
    """Copy a file or link; returns why it cannot be copied, or None."""
    try:
        if not (source.is_symlink() and not follow) and not stat.S_ISREG(source.stat().st_mode):
            return "it is not a regular file"  # reading a pipe or device would never end
        if _is_there(target) and _stamp(target, follow) == _stamp(source, follow):
            return None
        if follow:
            source.open("rb").close()  # not os.access, which checks the user that started the process
    except OSError as error:
        return f"the file cannot be read: {error.strerror}"
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside and renamed: a killed copy leaves a hidden file, which is passed over, and DVC's cache, to which the old
    # file may be linked, is not written through. A link that leads out is copied as a link: ingest quarantines it.
    # It is named by a hash: the file's own name may already have the greatest length.
    beside = target.with_name(f".{sha256_bytes(os.fsencode(target.name))[:16]}.copying")
    beside.unlink(missing_ok=True)
    shutil.copy2(source, beside, follow_symlinks=follow)
    beside.replace(target)
    return None


def _stamp(path: Path, follow: bool) -> tuple[int, int]:
    status = path.stat(follow_symlinks=follow)
    return status.st_size, status.st_mtime_ns
