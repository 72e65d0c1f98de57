"""Where finished shards lie: a folder, or a bucket that many machines share (any fsspec URL).

A shard counts once its marker is there: a JSON file with the shard's SHA-256, written after it. A shard without a
marker was cut off or is being written, and is never read. A call that fails for a transient reason is repeated with
growing pauses.
"""

from __future__ import annotations

import contextlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_exponential_jitter

from components.errors import ShotlineError, UserInputError
from components.files import atomic_path, json_text, sha256_file, write_text

__all__ = ["Marker", "ShardStore"]

T = TypeVar("T")

_ATTEMPTS = 15  # together about a minute
_FORGOTTEN_S = 3600.0  # no writer takes so long
_HALF_WRITTEN = re.compile(r"\.(?P<partition>[0-9a-f]{32})\.(?:safetensors|json)\..+")  # as `atomic_path` names them
_READERS = 16  # markers that are read concurrently from a bucket
_LASTING = (FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError, FileExistsError)
_OF_NETWORKS = ("botocore", "aiobotocore", "aiohttp", "urllib3", "requests", "gcsfs", "adlfs")


@dataclass(frozen=True)
class Marker:
    """The result of a partition; it has no time and no host, so that two workers write equal bytes.

    Attributes:
        rows: how many the shard has; 0: no photo of the partition was good, and there is no shard.
        sha256: of the shard's bytes; empty if there is none.
        keys: of the rows, in their order.
        failures: view (`image id/number`) to what was wrong with its photo.
    """

    rows: int
    sha256: str
    keys: list[str]
    failures: dict[str, str]

    @classmethod
    def parse(cls, content: bytes) -> Marker | None:
        """The marker in `content`; None if the content is incomplete."""
        try:
            return cls(**json.loads(content))
        except (ValueError, TypeError):
            return None


class ShardStore:
    """Shards and their markers under one URL.

    Args:
        url: a folder, or what fsspec opens: `s3://bucket/cache`. Credentials and endpoints come from the environment
            (`AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT_URL`), never from here.
        pause_s: the first pause before a failed call is repeated; it doubles, up to 10 s.

    Attributes:
        url: as it was given.
        repeated: calls that failed for a passing reason so far, and were repeated.
    """

    def __init__(self, url: str, *, pause_s: float = 0.2) -> None:
        self.url = url
        self.repeated = 0
        self._pause_s = pause_s
        self._markers: dict[str, Marker] = {}
        try:
            self._files, self._root = fsspec.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise UserInputError(
                f"the store cannot be opened ({error})",
                on=f"features.store: {url}",
                remedy="name a folder, or a URL whose library is installed (s3://: pip install 'shotline[s3]')",
            ) from error
        self._folder = Path(self._root) if isinstance(self._files, LocalFileSystem) else None

    def __reduce__(self) -> tuple[Any, ...]:
        return _opened, (self.url, self._pause_s)

    def finished(self) -> set[str]:
        """The ids of all partitions that have a marker; one listing."""
        return self._names(".json")

    def shards(self) -> set[str]:
        """The ids of all shards, finished or not; one listing."""
        return self._names(".safetensors")

    def marker(self, partition: str) -> Marker | None:
        """The marker of a partition, None if it has none."""
        if partition not in self._markers:
            try:
                content = self._again(lambda: self._files.cat_file(self._path(f"{partition}.json")))
            except FileNotFoundError:
                return None
            found = Marker.parse(content)
            if found is None:
                return None
            self._markers[partition] = found
        return self._markers[partition]

    def markers(self, partitions: Iterable[str] | None = None) -> dict[str, Marker]:
        """The markers of `partitions`, or of all that have one; each is read from the store once."""
        wanted = None if partitions is None else set(partitions)
        if wanted is None or len(wanted) > _READERS:  # a few are read by name
            wanted = self.finished() if wanted is None else wanted & self.finished()
        with ThreadPoolExecutor(_READERS) as readers:
            found = readers.map(self.marker, sorted(wanted))
            return {name: marker for name, marker in zip(sorted(wanted), found, strict=True) if marker is not None}

    def put(self, partition: str, write: Callable[[Path], None] | None, marker: Callable[[str], Marker]) -> Marker:
        """Write a shard and then its marker.

        Args:
            partition: its id.
            write: writes the shard to a path; None if there is no shard.
            marker: makes the marker from the shard's SHA-256.
        """
        with self._beside(f"{partition}.safetensors", write is not None) as path:
            if write is not None:
                write(path)
            made = marker(sha256_file(path) if write is not None else "")
        content = json_text(asdict(made))
        if self._folder is not None:
            write_text(self._folder / f"{partition}.json", content)
        else:
            self._again(lambda: self._files.pipe_file(self._path(f"{partition}.json"), content.encode()))
        self._markers[partition] = made
        return made

    def fetch(self, partition: str, folder: Path) -> Path | None:
        """Copy a finished shard into `folder`; None if it is gone or damaged, and its marker is then removed."""
        marker = self.marker(partition)
        if marker is None or not marker.rows:
            return None
        path = folder / f"{partition}.safetensors"
        try:
            with atomic_path(path) as beside:
                self._again(lambda: self._files.get_file(self._path(path.name), str(beside)))
                if sha256_file(beside) != marker.sha256:
                    raise FileNotFoundError(path.name)
        except FileNotFoundError:
            self.discard(partition)
            return None
        return path

    def discard(self, partition: str) -> None:
        """Remove a partition, its marker first: a concurrent reader finds it whole or not at all."""
        self._markers.pop(partition, None)
        for name in (f"{partition}.json", f"{partition}.safetensors"):
            with contextlib.suppress(FileNotFoundError):
                self._again(lambda name=name: self._files.rm_file(self._path(name)))  # type: ignore[misc]

    def sweep(self, finished: Collection[str]) -> None:
        """Remove what killed writers left half-written: of the `finished` partitions, and of any that is an hour old.

        A live writer of a finished partition loses its file too; `extract` then finds the marker. A bucket shows no
        half-written file; what an upload left there is for the bucket's own lifecycle rules.
        """
        if self._folder is None or not self._folder.is_dir():
            return
        for path in self._folder.glob(".*"):
            if found := _HALF_WRITTEN.fullmatch(path.name):
                with contextlib.suppress(FileNotFoundError):  # it has just been finished
                    if found["partition"] in finished or time.time() - path.stat().st_mtime > _FORGOTTEN_S:
                        path.unlink()

    @contextlib.contextmanager
    def _beside(self, name: str, wanted: bool) -> Iterator[Path]:
        """A path to write to, which becomes `name` in the store when the block ends without an error."""
        if not wanted:
            yield Path()
        elif self._folder is not None:
            with atomic_path(self._folder / name) as path:
                yield path
        else:
            with tempfile.TemporaryDirectory(prefix="shotline-") as folder:
                path = Path(folder) / name
                yield path
                self._again(lambda: self._files.put_file(str(path), self._path(name)))

    def _names(self, suffix: str) -> set[str]:
        try:
            names = self._again(lambda: self._files.ls(self._root, detail=False))
        except FileNotFoundError:
            return set()
        stems = (name.rsplit("/", 1)[-1] for name in names)
        return {stem.removesuffix(suffix) for stem in stems if stem.endswith(suffix) and not stem.startswith(".")}

    def _path(self, name: str) -> str:
        return f"{self._root.rstrip('/')}/{name}"

    def _again(self, call: Callable[[], T]) -> T:
        """Call it, and repeat it if it fails for a reason that may be transient.

        Raises:
            ShotlineError: it failed every time, or for a reason that stays.
        """

        def count(_: RetryCallState) -> None:
            self.repeated += 1

        calls = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(_ATTEMPTS),
            wait=wait_exponential_jitter(self._pause_s, max=10, jitter=self._pause_s),
            before_sleep=count,
            reraise=True,
        )
        try:
            return calls(call)
        except FileNotFoundError:
            raise
        except Exception as error:
            if not _of_the_store(error):
                raise
            times = f" {_ATTEMPTS} times" if _may_pass(error) else ""
            raise ShotlineError(
                f"the store of features failed{times}: {type(error).__name__}: {error}",
                on=self.url,
                remedy="see that it can be reached and written, then run again: what is finished stays",
            ) from error


def _of_the_store(error: BaseException) -> bool:
    return isinstance(error, OSError) or type(error).__module__.split(".")[0] in _OF_NETWORKS


def _may_pass(error: BaseException) -> bool:
    return (
        _of_the_store(error)
        and not isinstance(error, _LASTING)
        and type(error).__name__ not in ("NoCredentialsError", "ParamValidationError")
    )


def _opened(url: str, pause_s: float) -> ShardStore:
    return ShardStore(url, pause_s=pause_s)
