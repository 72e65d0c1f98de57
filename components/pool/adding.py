"""Adds photos to the pool: they are found, read and judged as in ingest, and kept."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from components.errors import UserInputError
from components.files import sha256_bytes
from components.ingest import Limits, PhotoError, load_image, read_photo, thumbnail_of
from components.leftovers import is_left_behind
from components.pool.pool import Origin, Pool, PooledPhoto
from components.wording import printable

__all__ = ["PoolAdded", "add_photos", "pooled"]

_AT_ONCE = 256  # photos per write of the index


@dataclass(frozen=True)
class PoolAdded:
    """The result of adding photos to the pool.

    Attributes:
        added: the photos that are new.
        there: how many the pool had already, or were given twice.
        refused: the photos that cannot be used, each with its reason; their files stay where they are.
    """

    added: list[PooledPhoto] = field(default_factory=list)
    there: int = 0
    refused: list[PhotoError] = field(default_factory=list)


def add_photos(
    pool: Pool,
    sources: Sequence[Path],
    *,
    limits: Limits,
    most_bytes: int,
    time: str,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PoolAdded:
    """Copy photos, and all photos in folders, into the pool.

    Hidden files and files that systems leave behind are skipped; links are not followed. A file that cannot be a photo
    is refused with the same reasons as in ingest, and the others are added.

    Args:
        pool: where to.
        sources: files and folders.
        limits: limits of one photo's size.
        most_bytes: the greatest size of the pool.
        time: event time of the new photos, ISO 8601 in UTC.
        progress: called with (files read, files in all).

    Raises:
        UserInputError: a source is missing, none holds a file, or the pool would become too large; nothing is added.
    """
    files = [found for source in sources for found in _files(source)]
    if sources and not files:
        raise UserInputError(
            "there are no files", on=", ".join(map(str, sources)), remedy="give photos, or folders of them"
        )
    _require_room(pool, [path for path, _ in files], most_bytes)
    result = PoolAdded()
    there = 0
    for start in range(0, len(files), _AT_ONCE):
        batch: dict[str, tuple[PooledPhoto, bytes]] = {}
        for number, (path, name) in enumerate(files[start : start + _AT_ONCE], start + 1):
            try:
                if path.is_symlink():
                    raise PhotoError(
                        "it is a link, and links are not followed",
                        on=str(path),
                        remedy="give the photo itself",
                        reason="outside_root",
                    )
                content = read_photo(path, limits, name=str(path))
                photo = pooled(content, limits, name=name, origin="folder", time=time, called=str(path))
            except PhotoError as error:
                result.refused.append(error)
                continue
            finally:
                progress(number, len(files))
            there += photo.photo in batch
            batch.setdefault(photo.photo, (photo, content))
        new = pool.keep([photo for photo, _ in batch.values()], [content for _, content in batch.values()])
        there += len(batch) - len(new)
        result.added.extend(new)
    return PoolAdded(result.added, there, result.refused)


def pooled(
    content: bytes,
    limits: Limits,
    *,
    name: str,
    origin: Origin,
    time: str,
    called: str = "",
    why: str = "",
    answer: str = "",
    version: str = "",
) -> PooledPhoto:
    """The index line of a photo, after checking that it can be decoded.

    Raises:
        PhotoError: it cannot or may not be.
    """
    image = load_image(content, limits, name=called or name)
    thumbnail = base64.b64encode(thumbnail_of(image.convert("L"))).decode()
    return PooledPhoto(
        sha256_bytes(content), name, origin, time, len(content), thumbnail, why=why, answer=answer, version=version
    )


def _files(source: Path) -> Iterator[tuple[Path, str]]:
    """Each file with its name in the index: relative to the parent of the given path."""
    if not source.exists():
        raise UserInputError(
            "there is no such file or folder", on=str(source), remedy="give photos, or folders of them"
        )
    if not source.is_dir():
        yield source, printable(source.name)
        return
    around = source.absolute().parent
    for here, folders, names in os.walk(source.absolute()):
        folders[:] = sorted(name for name in folders if not _is_passed_over(name))
        for name in sorted(names):
            if not _is_passed_over(name):
                path = Path(here, name)
                yield path, printable(path.relative_to(around).as_posix())


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or is_left_behind(name)


def _require_room(pool: Pool, files: Sequence[Path], most_bytes: int) -> None:
    held = sum(each.size for each in pool.photos())
    coming = sum(path.lstat().st_size for path in files)
    if held + coming > most_bytes:
        raise UserInputError(
            f"the pool holds {held / 1e9:.2f} GB, these are {coming / 1e9:.2f} GB more, and it may hold "
            f"{most_bytes / 1e9:.2f} GB; nothing was added",
            on=str(pool.folder),
            remedy="give fewer, drop some (`shotline pool drop`), or raise pool.most_gb in params.yaml",
        )
