"""Partitions on many workers: a worker's task, and the loop that reads the store's markers until a plan is done.

Engines lose tasks, repeat finished ones, and report ended tasks as running. So an engine's word never decides: a
partition with a marker is done, and one without a marker is handed out again.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from components.backbone import Backbone, BackboneSettings, PairedBackbone, load_with_beside
from components.errors import ShotlineError
from components.features.encode import Encoder, Progress
from components.features.partition import Partition, Plan, extract
from components.features.shard_store import ShardStore
from components.ingest import Limits
from components.threads import one_thread

__all__ = ["EncodingWork", "LoadBackbone", "Round", "encode_partition", "until_committed"]

_ROUNDS = 3  # after so many rounds in a row that finish nothing, the work is given up
_STALLED_S = 1800.0  # after so long without a new marker, the rest is handed out again
_LOADING = threading.Lock()


@dataclass(frozen=True)
class LoadBackbone:
    """Loads the backbone that `params.yaml` names, on whatever machine it is called.

    Attributes:
        settings: its section.
        models: the workspace's models, as every worker sees the folder.
    """

    settings: BackboneSettings
    models: Path

    def __call__(self) -> Backbone:
        """Load it."""
        return load_with_beside(self.settings, self.models)


@dataclass(frozen=True)
class EncodingWork:
    """What a worker needs beside a partition; small, and plain data that can be sent.

    Attributes:
        load: gives the backbone; called once a worker.
        second: encode with the encoder beside the backbone.
        limits: limits of a photo's size, as at ingest.
    """

    load: Callable[[], Backbone]
    second: bool = False
    limits: Limits | None = None


class Round(Protocol):
    """Partitions that were handed to an engine."""

    def settled(self) -> bool:
        """Whether nothing of it runs or waits any more, as far as the engine knows."""

    def problem(self) -> str:
        """What went wrong in it, one line; empty if nothing is known."""


def encode_partition(work: EncodingWork, partition: Partition, store: ShardStore) -> int:
    """A worker's task: `extract`, with weights that are loaded once per process.

    Returns:
        Rows of the shard.

    Raises:
        ShotlineError: this worker's encoder gives other features (another device or precision), or the store failed.
    """
    with _LOADING:
        backbone = _loaded(work.load)
    if isinstance(backbone, PairedBackbone):
        backbone = backbone.second if work.second else backbone.first
    if backbone.identity.digest != partition.key.backbone:
        raise ShotlineError(
            f"a worker has the backbone on {backbone.identity.device_kind} in {backbone.identity.precision}, "
            "which gives other features than the one that planned the work",
            on="params.yaml: backbone",
            remedy="set backbone.device and backbone.precision to what every worker has",
        )
    with one_thread():
        return extract(partition, store, Encoder(backbone, partition.key.mode, work.limits)).rows


@lru_cache(maxsize=1)
def _loaded(load: Callable[[], Backbone]) -> Backbone:
    return load()


def until_committed(
    plan: Plan,
    store: ShardStore,
    submit: Callable[[Plan], Round],
    progress: Progress | None = None,
    *,
    poll_s: float = 0.5,
) -> None:
    """Hand out the partitions without a marker until all have one.

    Args:
        plan: the partitions.
        store: where their markers appear.
        submit: hands partitions to an engine and returns at once.
        progress: called with (views done, views in all), over all workers.
        poll_s: pause between two looks.

    Raises:
        ShotlineError: several rounds in a row finished nothing.
    """
    total = sum(len(partition.views) for partition in plan)
    missing, idle = _missing(plan, store), 0
    while missing:
        before, seen = len(missing), time.monotonic()
        handed_out = submit(missing)
        while missing:
            settled = handed_out.settled()  # asked first, so that the markers include all that is finished
            left = _missing(missing, store)
            if len(left) < len(missing):
                missing, seen = left, time.monotonic()
            if progress:
                progress(total - sum(len(partition.views) for partition in missing), total)
            if settled or time.monotonic() - seen > _STALLED_S:
                break
            if missing:
                time.sleep(poll_s)
        idle = 0 if len(missing) < before else idle + 1
        if missing and idle == _ROUNDS:
            raise ShotlineError(
                f"{len(missing)} of {len(plan)} partitions were handed out {_ROUNDS} times and none came back"
                + (f": {problem}" if (problem := handed_out.problem()) else ""),
                on=store.url,
                remedy="see what the workers say; what is finished stays, and a new run does the rest",
            )


def _missing(plan: Plan, store: ShardStore) -> Plan:
    finished = store.finished()
    return tuple(partition for partition in plan if partition.id not in finished)
