"""Links in the photo folder that `dvc checkout` makes, and whether there are photos at all; no DVC is needed to see it."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from components.errors import UserInputError
from components.files import atomic_path

__all__ = ["holds_files", "refuse_links_into_cache", "unlink_from_cache"]

_CACHED = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")


def refuse_links_into_cache(photos: Path) -> None:
    """Name the setting by which `dvc checkout` put links in the place of photos: ingest would pass over all of them.

    Raises:
        UserInputError: there is one.
    """
    for here, _, files in os.walk(photos):
        for path in (Path(here, name) for name in files):
            if path.is_symlink() and _CACHED.search(path.resolve().as_posix()):
                raise UserInputError(
                    "DVC is set to put links in the place of photos (cache.type), and links that lead out are not followed",
                    on=str(path),
                    remedy="shotline train puts the photos there; or dvc config --local cache.type reflink,copy && "
                    "dvc checkout --relink data/raw.dvc",
                )


def unlink_from_cache(folder: Path, cache: Path) -> None:
    """Put the file in the place of each link into DVC's cache: those that `dvc checkout` makes, with symlinks."""
    cache = cache.resolve()
    for here, _, files in os.walk(folder):
        for path in (Path(here, name) for name in files):
            if path.is_symlink() and (target := path.resolve()).is_relative_to(cache) and target.is_file():
                with atomic_path(path) as beside:
                    shutil.copyfile(target, beside)


def holds_files(folder: Path, refused: list[str]) -> bool:
    """Whether there is a file beside hidden ones and those of `refused`, paths relative to the folder."""
    passed_over = set(refused)
    return any(
        Path(here, name).relative_to(folder).as_posix() not in passed_over
        for here, _, files in os.walk(folder)
        for name in files
        if not name.startswith(".")
    )
