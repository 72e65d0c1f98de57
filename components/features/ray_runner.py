"""Partitions on Ray: one actor reads, decodes and encodes, and returns a count; no pixels pass through Ray's store."""

from __future__ import annotations

import logging
import pickle
import threading
from typing import Any

import ray
import ray.data

from components.features.distributed import EncodingWork, encode_partition, until_committed
from components.features.encode import Distribute, Progress
from components.features.partition import Plan
from components.features.settings import FeaturesSettings
from components.features.shard_store import ShardStore

__all__ = ["on_ray"]


def on_ray(settings: FeaturesSettings, work: EncodingWork) -> Distribute:
    """Run partitions by Ray Data on the cluster at `settings.address`, or on a local one of `settings.workers` actors."""

    def distribute(plan: Plan, store: ShardStore, progress: Progress | None) -> None:
        own = not ray.is_initialized()
        if own:
            local: dict[str, Any] = (
                {} if settings.address else {"num_cpus": settings.workers, "include_dashboard": False}
            )
            ray.init(settings.address, log_to_driver=False, logging_level="ERROR", **local)
        logging.getLogger("ray").setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        try:
            until_committed(plan, store, lambda missing: _RayRound(missing, store, work, settings.workers), progress)
        finally:
            if own:
                ray.shutdown()

    return distribute


class _Worker:
    """One of Ray's actors; it holds the weights."""

    def __init__(self, work: EncodingWork, store: ShardStore) -> None:
        self._work, self._store = work, store

    def __call__(self, row: dict[str, Any]) -> dict[str, int]:
        return {"rows": encode_partition(self._work, pickle.loads(row["partition"]), self._store)}


class _RayRound(threading.Thread):
    """A pass of Ray Data over some partitions; see `Round`."""

    def __init__(self, partitions: Plan, store: ShardStore, work: EncodingWork, workers: int) -> None:
        super().__init__(daemon=True, name="ray-round")
        items = [{"partition": pickle.dumps(partition)} for partition in partitions]
        self._rows = ray.data.from_items(items, override_num_blocks=len(items)).map(
            _Worker,
            fn_constructor_args=(work, store),
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(items))),
        )
        self._problem = ""
        self.start()

    def run(self) -> None:
        """Pull every row through; what fails is told by `problem`."""
        try:
            for _ in self._rows.iter_rows():
                pass
        except Exception as error:  # noqa: BLE001 (the markers decide what is done)
            self._problem = f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"

    def settled(self) -> bool:
        """See `Round`."""
        return not self.is_alive()

    def problem(self) -> str:
        """See `Round`."""
        return self._problem
