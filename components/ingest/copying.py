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

# Notes on what is not copied: whoever reads the copy cannot tell.
_NOT_SEEN_LATER = ("empty_class", "hidden_folder", "list_not_taken", "loose_photos")


@dataclass(frozen=True)
class PhotoCopy:
    """What has to be copied for a photo folder to hold what a source names; nothing is done before `run`.

    Attributes:
        root: the folder that the source's paths are relative to.
        target: the workspace's photo folder.
        names: path of each file, and whether a link there is followed.
        aside: where the photos go that are in `target` now; None where they stay.
        listing: what the source was read as; None where source and target are one, and there is nothing to copy.
    """

    root: Path
    target: Path
    names: Mapping[str, bool]
    aside: Path | None = None
    listing: Listing | None = None

    def run(
        self, progress: Callable[[int, int], None] | None = None, told: Callable[[str], object] | None = None
    ) -> None:
        """Copy. A target that is new, or takes the place of another, appears at once when it is whole.

        What was there is moved aside at the end: a copy that fails or is cut off leaves it where it was. A photo that
        cannot be read is written down in the target, so that `ingest` quarantines it.

        Args:
            progress: called with (files done, files in all).
            told: called with a sentence on each kind of thing that is not copied.

        Raises:
            UserInputError: the list of photos or `classes.csv` cannot be read.
            OSError: a full disk, say; a new target is not there then, and an old one is as it was.
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
        _remove_others(beside, self.names)  # of a copy of something else that was cut off; of this one it goes on
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
        """Copy every file; returns the photos that cannot be, which it writes down too."""
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
        Where the photos went that were in `target` before, or None where nothing had to go.
    """
    copy = plan_copy(source, target, replace=replace)
    copy.run(progress, told)
    return copy.aside


def plan_copy(source: Path, target: Path, *, replace: bool = False) -> PhotoCopy:
    """What has to be copied for `target` to hold what `source` names as photos, with the list that names them.

    What lies there already with the same size and time of change is not copied again.

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
    # a list names its photos, whatever else lies beside it
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
    except OSError:  # it will be left out, and told
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
