"""The photos of arrivals, each under its SHA-256."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from components.bank.out_of_git import keep_out_of_git
from components.errors import UserInputError
from components.files import sha256_bytes, write_bytes

__all__ = ["ArrivalPhotos"]


class ArrivalPhotos:
    """A folder of photos named by their content; nothing in it ever changes.

    Args:
        folder: made with the first photo.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keep(self, content: bytes) -> str:
        """Write a photo unless it is there already; returns its SHA-256."""
        name = sha256_bytes(content)
        if not self.path(name).is_file():
            keep_out_of_git(self.folder.parent)
            write_bytes(self.path(name), content)
        return name

    def path(self, photo: str) -> Path:
        """Where that photo lies."""
        return self.folder / photo[:2] / photo

    def files(self, photos: Iterable[str]) -> dict[str, Path]:
        """Photo to its file.

        Raises:
            UserInputError: one is missing.
        """
        files = {photo: self.path(photo) for photo in photos}
        for photo, path in files.items():
            if not path.is_file():
                raise UserInputError(
                    f"the photo {photo[:12]} of an added class is missing",
                    on=str(self.folder),
                    remedy="get it back: `dvc pull data/arrivals/photos`",
                )
        return files
