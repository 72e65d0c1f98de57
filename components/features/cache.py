"""The features cache: a folder of immutable shards, each carrying its own keys.

No index file can disagree with the shards, since there is none: the keys are read from the shards when the cache is
opened. A shard is written under a temporary name, synced and renamed, so a killed writer leaves nothing that is read.
Two writers write two shards; a key that lies in both is harmless, since a key fixes its content.
"""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from components.errors import ShotlineError
from components.features.carriers import Features
from components.features.partition import Plan
from components.features.settings import FeaturesSettings
from components.features.shard import KEYS, save_shard, shard_id, shard_keys
from components.features.shard_store import ShardStore
from components.files import atomic_path
from components.workspace import Workspace

__all__ = ["FeatureCache", "ShardGoneError", "features_cache"]


class ShardGoneError(ShotlineError):
    """A shard was removed by another process between its listing and its reading."""


class FeatureCache:
    """Features by key, on disk, half precision for levels.

    Opening reads every shard's keys. `read` raises for keys that `missing` names; encoding them is the work of
    `encode_missing`.

    Args:
        folder: the shards on this machine.
        store: a folder or URL that machines share (see `ShardStore`): what is encoded goes there, and comes here when it
            is needed; None: the folder is all there is.

    Attributes:
        folder: see above.
        store: where what is encoded goes.
    """

    def __init__(self, folder: Path, store: str | None = None) -> None:
        self.folder = folder
        self._own = ShardStore(str(folder.resolve()))
        self.store = self._own if store is None else ShardStore(store)
        self._where: dict[str, tuple[Path, int]] = {}
        if folder.is_dir():
            for shard in sorted(folder.glob("*.safetensors")):
                if not shard.name.startswith("."):
                    self._open(shard)

    def __len__(self) -> int:
        return len(self._where)

    def missing(self, keys: Iterable[str]) -> list[str]:
        """Those of `keys` that are not cached, in their order."""
        return [key for key in keys if key not in self._where]

    def write(self, keys: Sequence[str], features: Features) -> Path:
        """Write one shard; the same keys give the same file, so that work done twice leaves one."""
        path = self.folder / f"{shard_id(keys)}.safetensors"
        with atomic_path(path) as beside:
            save_shard(beside, keys, features)
        self._remember(path, keys)
        return path

    def fetch(self, keys: Iterable[str]) -> int:
        """Take from the store the shards that hold what is not cached yet of `keys`.

        Returns:
            How many shards came; 0 if there is no store, or it is this folder.
        """
        absent = set(self.missing(keys))
        if not absent or self.store is self._own:
            return 0
        came = 0
        for partition, marker in sorted(self.store.markers().items()):
            if not absent.isdisjoint(marker.keys) and (path := self.store.fetch(partition, self.folder)) is not None:
                self._remember(path, marker.keys)
                absent.difference_update(marker.keys)
                came += 1
        return came

    def take(self, plan: Plan) -> None:
        """Make the finished partitions of `plan` readable: copied from the store, where it is not this folder."""
        for partition, marker in self.store.markers(each.id for each in plan).items():
            path = self.folder / f"{partition}.safetensors"
            if self.store is not self._own:
                path = self.store.fetch(partition, self.folder) or path
            if marker.rows and path.is_file():
                self._remember(path, marker.keys)

    def read(
        self, keys: Sequence[str], *, embedding: bool = True, levels: bool = True, mapped: bool = False
    ) -> Features:
        """The features of `keys`, in their order; levels and class tokens as float16.

        Args:
            keys: what to read; a key may come twice.
            embedding: read it; without it embeddings have no columns.
            levels: read them, and class tokens, too.
            mapped: keep levels in a nameless file beside the shards and map it, so that memory is bounded however many
                keys there are. The file is removed together with the tensors.

        Raises:
            ShotlineError: a key is not cached, or was removed meanwhile.
        """
        if absent := self.missing(keys):
            raise ShotlineError(
                f"{len(absent)} of {len(keys)} features are not cached",
                on=str(self.folder),
                remedy="run the stage features again; it encodes what is missing",
            )
        wanted: dict[Path, list[tuple[int, int]]] = defaultdict(list)
        for place, key in enumerate(keys):
            shard, row = self._where[key]
            wanted[shard].append((place, row))
        columns: dict[str, Tensor] = {}
        for shard, places in wanted.items():
            target, rows = (torch.tensor(side) for side in zip(*places, strict=True))
            try:
                with safe_open(shard, framework="pt") as file:
                    for name in file.keys():  # noqa: SIM118 (not a mapping)
                        if name == KEYS or not (embedding if name == "embedding" else levels):
                            continue
                        tensor = file.get_tensor(name)
                        if name not in columns:
                            shape = (len(keys), *tensor.shape[1:])
                            on_disk = mapped and name.startswith("level_")
                            columns[name] = (
                                _nameless(shape, tensor.dtype, self.folder) if on_disk else tensor.new_empty(shape)
                            )
                        columns[name][target] = tensor[rows]
                os.utime(shard)  # the shard read last is evicted last
            except FileNotFoundError as error:
                self._forget(shard)
                raise ShardGoneError(
                    "another process has removed a shard of the features cache",
                    on=str(shard),
                    remedy="run again; what is missing is encoded anew",
                ) from error
        found = columns.pop("embedding", torch.empty(len(keys), 0))
        return Features(found, *(_numbered(columns, kind) for kind in ("level", "class_token")))

    def evict(self, limit_bytes: int, *, keep: Iterable[str] = ()) -> int:
        """Remove the shards that were read longest ago until the folder fits; those holding a key of `keep` stay.

        Returns:
            How many shards were removed.
        """
        kept = {self._where[key][0] for key in keep if key in self._where}
        status = {}
        for shard in {shard for shard, _ in self._where.values()}:
            with contextlib.suppress(FileNotFoundError):  # another process evicts too
                status[shard] = shard.stat()
        shards = sorted(status, key=lambda shard: status[shard].st_mtime)
        total = sum(found.st_size for found in status.values())
        removed = 0
        for shard in shards:
            if total <= limit_bytes:
                break
            if shard not in kept:
                total -= status[shard].st_size
                self._own.discard(shard.stem)
                removed += 1
                self._forget(shard)
        return removed

    def _open(self, shard: Path) -> None:
        try:
            self._remember(shard, shard_keys(shard))
        except SafetensorError:
            # A damaged shard is treated as missing; its images are encoded again.
            self._own.discard(shard.stem)
        except OSError:
            return  # another process has evicted it, or it cannot be read now

    def _forget(self, shard: Path) -> None:
        self._where = {key: place for key, place in self._where.items() if place[0] != shard}

    def _remember(self, shard: Path, keys: Sequence[str]) -> None:
        for row, key in enumerate(keys):
            self._where[key] = (shard, row)


def _nameless(shape: tuple[int, ...], dtype: torch.dtype, folder: Path) -> Tensor:
    """A tensor in a deleted but open file: the system frees its space when the tensor is freed."""
    handle, name = tempfile.mkstemp(prefix=".rows-", dir=folder)
    os.close(handle)
    try:
        return torch.from_file(name, shared=True, size=math.prod(shape), dtype=dtype).view(shape)
    finally:
        Path(name).unlink()


def _numbered(columns: dict[str, Tensor], kind: str) -> tuple[Tensor, ...]:
    """`kind_1`, `kind_2`, ... of the columns."""
    names = [f"{kind}_{number}" for number in range(1, len(columns) + 1)]
    return tuple(columns[name] for name in names if name in columns)


def features_cache(workspace: Workspace) -> FeatureCache:
    """The workspace's cache, in front of the store that `features.store` names, if any."""
    store = workspace.parameters.section("features", FeaturesSettings).store
    if store is None or "://" in store:
        return FeatureCache(workspace.features_cache, store)
    return FeatureCache(workspace.features_cache, str(workspace.root.resolve() / Path(store).expanduser()))
