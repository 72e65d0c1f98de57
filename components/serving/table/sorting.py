"""Photos into a folder per class, by their answers: copies or links; the photos themselves stay where they are."""

from __future__ import annotations

import contextlib
import filecmp
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from components.errors import UserInputError
from components.files import write_bytes
from components.ingest import PhotoError
from components.serving.table.named import NamedPhoto
from components.serving.table.rows import Row
from components.wording import printable

__all__ = ["UNKNOWN", "Sorter"]

UNKNOWN = "unknown"
_BESIDE_A_CLASS = "unknown (no class)"  # used if a class is called unknown


class Sorter:
    """Puts each answered photo into `FOLDER/CLASS/`, and photos without a class into `FOLDER/unknown/`.

    A second run changes nothing. A photo of the same name and other content gets a number.

    Args:
        folder: the target; made if missing.
        class_names: that answers can name.
        link: make hard links where the file system has them, which take no room.
        sources: the folders that photos come from.

    Raises:
        UserInputError: the target is a file, or lies in a folder whose photos are asked about, or two classes need the same folder.
    """

    def __init__(self, folder: Path, class_names: Sequence[str], *, link: bool, sources: Sequence[Path]) -> None:
        self._folder, self._link = folder, link
        unknown = _BESIDE_A_CLASS if UNKNOWN in {name.casefold() for name in class_names} else UNKNOWN
        self._folders = {name: _folder_name(name) for name in class_names} | {None: unknown}
        if folder.exists() and not folder.is_dir():
            raise UserInputError(
                "it is a file, and no folder for sorted photos", on=str(folder), remedy="name a folder"
            )
        for source in sources:
            if source.is_dir() and folder.resolve().is_relative_to(source.resolve()):
                raise UserInputError(
                    "the folder for sorted photos lies in the one that is read, and would be read the next time",
                    on=str(folder),
                    remedy="name a folder elsewhere",
                )
        if len({name.casefold() for name in self._folders.values()}) < len(self._folders):
            raise UserInputError(
                "two classes would be sorted into one folder", on=str(folder), remedy="rename one of the classes"
            )

    def put(self, photo: NamedPhoto, row: Row) -> Path | None:
        """Put a photo into its folder; returns its new path, None if it has no answer."""
        if row["error"]:
            return None
        folder = self._folder / self._folders[None if row["abstained"] else row["class"]]
        folder.mkdir(parents=True, exist_ok=True)
        try:
            photo_or_bytes = photo.load()
        except PhotoError:  # changed since it was answered
            return None
        name = Path(photo.name).name
        number = 1
        while True:
            target = folder / (name if number == 1 else f"{Path(name).stem}-{number}{Path(name).suffix}")
            if not os.path.lexists(target):
                self._write(photo_or_bytes, target)
                return target
            if _same(photo_or_bytes, target):
                return target
            number += 1

    def _write(self, photo: Path | bytes, target: Path) -> None:
        if isinstance(photo, bytes):
            write_bytes(target, photo)
            return
        if self._link:
            with contextlib.suppress(OSError):  # another file system, or one without links
                os.link(photo.resolve(), target)
                return
        shutil.copy2(photo, target)


def _same(photo: Path | bytes, there: Path) -> bool:
    if isinstance(photo, bytes):
        return there.is_file() and there.read_bytes() == photo
    return there.is_file() and filecmp.cmp(photo, there, shallow=False)


def _folder_name(class_name: str) -> str:
    """A folder's name for the class, for any letters in its name."""
    name = printable(class_name).replace("/", "_").replace("\\", "_").replace("\0", "_").strip()
    return f"_{name}" if name.startswith(".") or not name else name
