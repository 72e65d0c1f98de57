"""The pool's photos and its index: when each photo came, from where, and how the service answered it."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from components.errors import ShotlineError, UserInputError
from components.files import sha256_bytes, write_bytes, write_text

__all__ = ["Origin", "Pool", "PooledPhoto", "Word"]

Origin = Literal["folder", "service"]
Word = Literal["", "none", "bad"]

_INDEX = "index.jsonl"
_KEPT_BY_DVC = ("/photos", f"/{_INDEX}")
_LOCK_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class PooledPhoto:
    """One line of the index.

    Attributes:
        photo: SHA-256 of its bytes.
        name: its file's name, with the folder that was given; empty if it came without a name.
        origin: `folder`, or `service` for photos that were sent to be classified.
        time: when it came, ISO 8601 in UTC; its event time.
        size: in bytes.
        thumbnail: 16 x 16 grey values, base64; see `components.ingest.thumbnail_of`.
        why: of a photo from the service, why it was kept: `abstained`, `close` or `sample`.
        answer: the class that the service took it for.
        version: the live version that answered.
        word: what a person said of it instead of a class: `none` (of the classes) or `bad` (not to be used). Review
            does not show either again, and training learns nothing from a bad one.
    """

    photo: str
    name: str
    origin: Origin
    time: str
    size: int
    thumbnail: str
    why: str = ""
    answer: str = ""
    version: str = ""
    word: Word = ""

    @property
    def grey(self) -> bytes:
        """The thumbnail, 256 bytes."""
        return base64.b64decode(self.thumbnail)


class Pool:
    """The pool of a workspace; an empty one needs no folder.

    Args:
        folder: `Workspace.pool`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        # Beside the folder, not in it: what is tracked must not hold a lock's file.
        self._lock = FileLock(folder.with_name(f".{folder.name}.lock"))

    def photos(self) -> list[PooledPhoto]:
        """All photos, in the order in which they came.

        Raises:
            ShotlineError: the index is damaged.
        """
        try:
            lines = (self.folder / _INDEX).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for number, line in enumerate(lines, 1):
            try:
                found.append(PooledPhoto(**json.loads(line)))
            except (ValueError, TypeError) as error:
                raise ShotlineError(
                    f"line {number} of the pool's index cannot be read: {error}",
                    on=str(self.folder / _INDEX),
                    remedy="restore the file (`dvc checkout data/pool/index.jsonl`)",
                ) from error
        return found

    def path(self, photo: str) -> Path:
        """Where that photo lies."""
        return self.folder / "photos" / photo[:2] / photo

    def files(self, photos: Iterable[str]) -> dict[str, Path]:
        """Photo to its file.

        Raises:
            UserInputError: one is missing.
        """
        files = {photo: self.path(photo) for photo in photos}
        for photo, path in files.items():
            if not path.is_file():
                raise UserInputError(
                    f"the photo {photo[:12]} of the pool is missing",
                    on=str(path.parent.parent),
                    remedy=f"get it back (`dvc pull data/pool/photos`), or forget it: shotline pool drop {photo[:12]}",
                )
        return files

    def keep(self, photos: Sequence[PooledPhoto], contents: Sequence[bytes]) -> list[PooledPhoto]:
        """Keep photos that are not there yet; each is written before the index names it.

        Args:
            photos: the index lines.
            contents: the bytes of each photo.

        Returns:
            The photos that were new.
        """
        with self._turn() as there:
            known = {each.photo for each in there}
            new = []
            for photo, content in zip(photos, contents, strict=True):
                if photo.photo != sha256_bytes(content):
                    raise ValueError(f"{photo.photo} is not the hash of its bytes")
                if photo.photo not in known:
                    write_bytes(self.path(photo.photo), content)
                    known.add(photo.photo)
                    new.append(photo)
            if new:
                self._write([*there, *new])
        return new

    def drop(self, photos: Collection[str]) -> list[PooledPhoto]:
        """Remove photos, by their SHA-256; returns those that were there."""
        with self._turn() as there:
            gone = [each for each in there if each.photo in photos]
            if gone:
                self._write([each for each in there if each.photo not in photos])
                for each in gone:
                    self.path(each.photo).unlink(missing_ok=True)
                    with contextlib.suppress(OSError):
                        self.path(each.photo).parent.rmdir()
        return gone

    def say(self, photos: Collection[str], word: Word) -> list[PooledPhoto]:
        """Record what a person said of photos; an empty word takes it back. Returns those that the pool has."""
        with self._turn() as there:
            said = [replace(each, word=word) if each.photo in photos else each for each in there]
            if said != there:
                self._write(said)
        return [each for each in said if each.photo in photos]

    def find(self, name: str) -> PooledPhoto:
        """The photo whose hash begins with the text, or whose file has that name.

        Raises:
            UserInputError: there is none, or more than one.
        """
        found = [each for each in self.photos() if name and (each.photo.startswith(name) or each.name == name)]
        if len(found) != 1:
            raise UserInputError(
                f"{len(found)} photos of the pool have that name" if found else "the pool has no such photo",
                on=name,
                remedy="name it by the first letters of its hash, as `shotline pool list` shows them",
            )
        return found[0]

    @contextlib.contextmanager
    def _turn(self) -> Iterator[list[PooledPhoto]]:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._keep_out_of_git()
        try:
            with self._lock.acquire(timeout=_LOCK_TIMEOUT_S):
                yield self.photos()
        except Timeout:
            raise UserInputError(
                "another change of the pool is under way and does not end",
                on=str(self.folder),
                remedy="wait for it, or end its process",
            ) from None

    def _write(self, photos: Sequence[PooledPhoto]) -> None:
        lines = (json.dumps(_short(asdict(photo)), ensure_ascii=False) for photo in photos)
        write_bytes(self.folder / _INDEX, "".join(f"{line}\n" for line in lines).encode())

    def _keep_out_of_git(self) -> None:
        """Have git ignore the photos, which DVC tracks; a `git add --all` may come before DVC does."""
        path = self.folder / ".gitignore"
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        if missing := [line for line in _KEPT_BY_DVC if line not in lines]:
            write_text(path, "\n".join([*lines, *missing, ""]))


def _short(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if value != ""} | {"name": line["name"]}
