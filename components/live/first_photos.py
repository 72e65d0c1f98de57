"""Photos for a first training, which come one class at a time, into `data/raw`.

A workspace without a classifier has nothing to which a class could be added. Here its photo folder grows instead, one
folder per class, until somebody trains. A removed class is moved aside, never deleted.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from components.bank import class_name, spelling
from components.errors import UserInputError
from components.files import sha256_bytes, write_bytes
from components.ingest import IngestSettings, PhotoError, load_image, none_usable
from components.ingest.decode import EXTENSIONS
from components.leftovers import is_left_behind
from components.workspace import Workspace

__all__ = ["FirstPhotos"]

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif", "BMP": ".bmp"}
_SUFFIXES |= {"TIFF": ".tif", "AVIF": ".avif", "PPM": ".ppm", "JPEG2000": ".jp2"}


class FirstPhotos:
    """The photo folder of a workspace in which nothing was trained yet.

    Args:
        workspace: see `Workspace`.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._raw = workspace.raw

    def rows(self) -> list[dict[str, Any]]:
        """One row per class, by name: `class`, `kind` (`to_train`), `since` (None), `photos`."""
        return [
            {"class": folder.name, "kind": "to_train", "since": None, "photos": sum(1 for _ in _photos(folder))}
            for folder in self._folders()
        ]

    def files(self, name: str) -> list[Path]:
        """The photos of a class, in order; none where there is no such class."""
        return [*_photos(self._raw / name)] if name in [folder.name for folder in self._folders()] else []

    def add(self, name: str, photos: Iterable[tuple[str, bytes]]) -> tuple[str, int, list[PhotoError]]:
        """Keep photos of a class; each is opened first, and one that is there already is skipped.

        Args:
            name: of the class, in words.
            photos: name and bytes of each.

        Returns:
            The class's name as it is kept, its number of photos now, and the errors of the photos that are not kept.

        Raises:
            UserInputError: the name is not valid, none of the photos can be used, the layout is not a folder per class,
                or a training is at work.
        """
        with self._workspace.turn():
            name = self._called(name)
            limits = self._workspace.parameters.section("ingest", IngestSettings).limits
            refused: list[PhotoError] = []
            kept = 0
            for shown, content in photos:
                try:
                    load_image(content, limits, name=shown)
                except PhotoError as error:
                    refused.append(error)
                    continue
                kept += 1
                self._keep(name, content)
            if not kept:
                raise none_usable(name, refused)
            return name, len(self.files(name)), refused

    def remove(self, name: str) -> Path:
        """Move a class's folder out of the photo folder; returns where it lies now.

        Raises:
            UserInputError: there is none of that name, or a training is at work.
        """
        with self._workspace.turn():
            folder = self._folder(name)
            time = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-%f")
            aside = self._raw.with_name(f"raw.removed-{time}") / folder.name
            aside.parent.mkdir(parents=True)
            folder.rename(aside)
            return aside

    def rename(self, name: str, new_name: str) -> str:
        """Rename a class; returns the name as it is kept.

        Raises:
            UserInputError: there is none of that name, the new one is not valid or taken, or a training is at work.
        """
        with self._workspace.turn():
            folder = self._folder(name)
            new_name = class_name(new_name)
            taken = [each.name for each in self._folders() if each != folder]
            if spelling(new_name) in map(spelling, taken):
                raise UserInputError("there is a class of that name", on=new_name, remedy="choose another name")
            shutil.move(folder, self._raw / new_name)
            return new_name

    def _called(self, name: str) -> str:
        there = [folder.name for folder in self._folders()]
        name = class_name(name, there)
        if same := [each for each in there if spelling(each) == spelling(name)]:
            return same[0]
        return name

    def _keep(self, name: str, content: bytes) -> None:
        digest = sha256_bytes(content)
        if not any((self._raw / name).glob(f"{digest[:16]}.*")):
            write_bytes(self._raw / name / f"{digest[:16]}{_suffix(content)}", content)

    def _folder(self, name: str) -> Path:
        for folder in self._folders():
            if folder.name == name:
                return folder
        there = ", ".join(folder.name for folder in self._folders()) or "there are none"
        raise UserInputError("there is no class of that name", on=name, remedy=f"classes: {there}")

    def _folders(self) -> list[Path]:
        if not self._raw.is_dir():
            return []
        return sorted(
            path
            for path in self._raw.iterdir()
            if path.is_dir() and not path.is_symlink() and path.name[0] != "." and not is_left_behind(path.name)
        )


def _photos(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in EXTENSIONS and path.is_file() and not path.is_symlink()
    )


def _suffix(content: bytes) -> str:
    from io import BytesIO

    with Image.open(BytesIO(content)) as image:
        return _SUFFIXES.get(image.format or "", ".jpg")
