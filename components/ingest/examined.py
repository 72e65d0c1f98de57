"""What earlier runs measured of photos: a photo whose file has not changed since is not read again.

A run over a large folder that is cut off goes on where it was, and one photo more costs one photo. A file counts as
unchanged while its size, its times of modification and of change, and its inode are the same: whatever writes to a file or
puts another in its place sets the time of change. Only photos that were accepted are kept, since what was refused may
become readable without a new time. The cache may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

from components.files import digest, sha256_bytes
from components.ingest.decode import Limits
from components.ingest.sources import Entry

__all__ = ["Examined", "FileState", "Measured", "file_state"]

FileState = tuple[int, int, int, int]
"""Size in bytes, times of modification and of change in nanoseconds, inode."""

# File systems count time in steps of some milliseconds: what is this young may change again within the same step.
_YOUNG_NS = 2_000_000_000
_AT_ONCE = 500  # paths in one question, below SQLite's limit
_DECODERS = ("numpy", "pillow", "scipy", "simplejpeg")
_COLUMNS = (
    *("path", "size", "modified", "changed", "inode"),
    *("id", "width", "height", "mode", "size_bytes", "blur", "flaw", "thumbnail"),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """What is measured of an accepted photo's bytes; see `tables.MANIFEST`."""

    id: str
    width: int
    height: int
    mode: str
    size_bytes: int
    blur: float
    flaw: str | None
    thumbnail: bytes


class Examined:
    """The cache, a SQLite file. Where it cannot be read or written it remembers as long as it lives, and raises nothing.

    Args:
        file: made if it is missing; None: there is none.
        limits: of photos; what was measured under other limits is forgotten, for these may refuse it.
    """

    def __init__(self, file: Path | None, limits: Limits) -> None:
        recipe = _recipe(limits)
        for place in (file, file, None):
            try:
                self._database = _opened(place, recipe)
                return
            except (sqlite3.OperationalError, OSError):  # locked, or not to be opened
                continue
            except sqlite3.DatabaseError:  # damaged, and a cache
                if file is not None:
                    file.unlink(missing_ok=True)

    def known(self, entries: Sequence[Entry]) -> dict[str, tuple[FileState, Measured]]:
        """What is kept of these photos, by path."""
        found: dict[str, tuple[FileState, Measured]] = {}
        for start in range(0, len(entries), _AT_ONCE):
            paths = _texts(entries[start : start + _AT_ONCE])
            question = f"SELECT * FROM photo WHERE path IN ({','.join('?' * len(paths))})"
            with contextlib.suppress(sqlite3.Error):
                for path, size, modified, changed, inode, *measured in self._database.execute(question, paths):
                    found[path] = ((size, modified, changed, inode), Measured(*measured))
        return found

    def keep(self, measured: Mapping[str, tuple[FileState, Measured]]) -> None:
        """Keep what was measured of these photos, but for files that have only just been written."""
        before = time.time_ns() - _YOUNG_NS
        rows = [(path, *state, *astuple(each)) for path, (state, each) in measured.items() if state[2] < before]
        with contextlib.suppress(sqlite3.Error), self._database:  # one transaction
            self._database.executemany(f"INSERT OR REPLACE INTO photo VALUES ({','.join('?' * len(_COLUMNS))})", rows)

    def forget_others(self, entries: Sequence[Entry]) -> None:
        """Forget every photo that is not among these."""
        with contextlib.suppress(sqlite3.Error), self._database:
            self._database.execute("CREATE TEMP TABLE there (path TEXT PRIMARY KEY) WITHOUT ROWID")
            self._database.executemany("INSERT OR IGNORE INTO there VALUES (?)", ((path,) for path in _texts(entries)))
            self._database.execute("DELETE FROM photo WHERE path NOT IN (SELECT path FROM there)")
            self._database.execute("DROP TABLE there")

    def close(self) -> None:
        """Close the file; the cache is of no more use."""
        self._database.close()


def file_state(path: Path) -> FileState | None:
    """The state of a file now; None if it cannot be told."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def _texts(entries: Sequence[Entry]) -> list[str]:
    """Their paths, but for those that are no text: such a file is no photo (see `place`)."""
    return [entry.path for entry in entries if _is_text(entry.path)]


def _is_text(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _opened(file: Path | None, recipe: str) -> sqlite3.Connection:
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    database = sqlite3.connect(file or ":memory:")
    try:
        with database:
            database.execute(f"CREATE TABLE IF NOT EXISTS photo ({', '.join(_COLUMNS)}, PRIMARY KEY (path))")
            database.execute("CREATE TABLE IF NOT EXISTS recipe (digest TEXT PRIMARY KEY)")
            if database.execute("SELECT digest FROM recipe").fetchall() != [(recipe,)]:
                database.execute("DELETE FROM photo")
                database.execute("DELETE FROM recipe")
                database.execute("INSERT INTO recipe VALUES (?)", (recipe,))
    except BaseException:
        database.close()
        raise
    return database


@cache
def _recipe(limits: Limits) -> str:
    """What decides what is measured, besides the photo: the limits, the decoders, and the code of this room."""
    code = sha256_bytes(b"\0".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))))
    return digest({"limits": asdict(limits), "decoders": [version(name) for name in _DECODERS], "code": code})
