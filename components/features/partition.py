"""Encoding in three steps: `plan`, `extract`, `commit`; the first and the last are cheap.

Any engine may run `extract`, on any machine and as often as it likes: a partition that is finished returns at once, and
two workers on the same one write equal bytes. Markers in the store, not the engine's reports, say what is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from components.errors import ShotlineError
from components.features.carriers import Features
from components.features.keys import LevelMode, View, feature_key
from components.features.shard import save_shard, shard_id
from components.features.shard_store import Marker, ShardStore

__all__ = ["Commit", "Encode", "FeatureKey", "Partition", "Plan", "commit", "extract", "plan", "renew"]

PARTITION = 128
"""Views in one shard, and in memory for each worker, unless said otherwise."""

Encode = Callable[[Sequence[View], Mapping[str, str]], tuple[Features | None, dict[View, ShotlineError]]]
"""Views and the photo file of each image id, to the features of the good ones, in order, and what was wrong with others."""


@dataclass(frozen=True)
class FeatureKey:
    """What features depend on besides the photo and the view.

    Attributes:
        backbone: the digest of the backbone's identity.
        mode: the form of levels; None: embeddings alone.
    """

    backbone: str
    mode: LevelMode | None

    def of(self, view: View) -> str:
        """The key of a view in the cache."""
        return feature_key(view, self.backbone, self.mode)


@dataclass(frozen=True)
class Partition:
    """Views that are encoded together and lie in one shard; small, and plain data that can be sent.

    Attributes:
        key: what their features depend on.
        views: sorted.
        files: image id to the photo's path, as every worker sees it.
    """

    key: FeatureKey
    views: tuple[View, ...]
    files: Mapping[str, str]

    @cached_property
    def keys(self) -> tuple[str, ...]:
        """The views' keys in the cache."""
        return tuple(self.key.of(view) for view in self.views)

    @cached_property
    def id(self) -> str:
        """The hash of the keys: of the photos' bytes, the views and the backbone."""
        return shard_id(self.keys)


Plan = tuple[Partition, ...]


@dataclass(frozen=True)
class Commit:
    """The finished part of a plan.

    Attributes:
        missing: partitions without a marker.
        rows: views whose features are in the store.
        failures: view (`image id/number`) to what was wrong with its photo.
    """

    missing: Plan
    rows: int
    failures: dict[str, str]


def plan(manifest: Iterable[tuple[View, str]], key: FeatureKey, size: int = PARTITION) -> Plan:
    """Cut views into partitions of `size`, in the order of their photos' hashes; the same views give the same plan.

    Args:
        manifest: views, each with its photo's path.
        key: what the features depend on besides photo and view.
        size: views in a partition, 1 and up.
    """
    rows = sorted(set(manifest))
    parts = (rows[start : start + size] for start in range(0, len(rows), size))
    return tuple(
        Partition(key, tuple(view for view, _ in part), {view.image_id: path for view, path in part}) for part in parts
    )


def extract(partition: Partition, store: ShardStore, encode: Encode) -> Marker:
    """Encode a partition into the store, unless it is there: shard first, marker last.

    A photo that cannot be read, or has changed, is noted as a failure in the marker and raises no error.
    """
    there = store.marker(partition.id)
    if there is not None:
        return there
    features, failures = encode(partition.views, partition.files)
    keys = [key for key, view in zip(partition.keys, partition.views, strict=True) if view not in failures]
    told = {f"{view.image_id}/{view.number}": f"{error.what} ({error.on})" for view, error in failures.items()}
    write = None if features is None else lambda path: save_shard(path, keys, features)
    try:
        return store.put(partition.id, write, lambda sha256: Marker(len(keys), sha256, keys, told))
    except FileNotFoundError:  # another worker has finished it, and what was half-written here was swept away
        there = store.marker(partition.id)
        if there is None:
            raise
        return there


def commit(store: ShardStore, plan: Plan) -> Commit:
    """What is finished of a plan, by its markers alone."""
    markers = store.markers(partition.id for partition in plan)
    return Commit(
        missing=tuple(partition for partition in plan if partition.id not in markers),
        rows=sum(marker.rows for marker in markers.values()),
        failures={view: told for marker in markers.values() for view, told in marker.failures.items()},
    )


def renew(store: ShardStore, plan: Plan) -> None:
    """Before a run: remove markers with failures (the photo may be readable again), and markers whose shard is gone."""
    markers = store.markers(partition.id for partition in plan)
    if not markers:
        return
    shards = store.shards()
    for partition, marker in markers.items():
        if marker.failures or (marker.rows and partition not in shards):
            store.discard(partition)
