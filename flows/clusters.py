"""Partitions of features on a Dask cluster, the one that Prefect's `DaskTaskRunner` starts or knows."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from components.errors import UserInputError

if TYPE_CHECKING:
    from components.features import Distribute, EncodingWork, FeaturesSettings
    from components.features.encode import Progress
    from components.features.partition import Plan
    from components.features.shard_store import ShardStore

__all__ = ["RUNNERS", "on_dask"]


def on_dask(settings: FeaturesSettings, work: EncodingWork) -> Distribute:
    """Run partitions on the Dask cluster at `settings.address`, or on a local one of `settings.workers` processes.

    Raises:
        UserInputError: Dask is not installed.
    """
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ImportError as error:
        raise UserInputError(
            f"features.runner is dask, which is not installed ({error})",
            on="params.yaml: features.runner",
            remedy="pip install 'shotline[dask]', or set local",
        ) from error
    local = {"n_workers": settings.workers, "threads_per_worker": 1, "dashboard_address": None, "silence_logs": "ERROR"}
    cluster: dict[str, Any] = {"address": settings.address} if settings.address else {"cluster_kwargs": local}

    def distribute(plan: Plan, store: ShardStore, progress: Progress | None) -> None:
        from components.features.distributed import until_committed

        logging.getLogger("distributed").setLevel(logging.ERROR)
        runner = DaskTaskRunner(**cluster)
        runner.logger.setLevel(logging.WARNING)
        with runner:
            until_committed(plan, store, lambda missing: _DaskRound(runner.client, missing, store, work), progress)

    return distribute


class _DaskRound:
    """Partitions on Dask; see `components.features.distributed.Round`.

    They are plain functions, not Prefect tasks: so workers need no connection to a Prefect server, and a task whose
    worker has died is not refused as running already.
    """

    def __init__(self, client: Any, partitions: Plan, store: ShardStore, work: EncodingWork) -> None:
        from components.features.distributed import encode_partition

        self._futures = [
            client.submit(
                encode_partition, work, partition, store, key=f"encode-{partition.id}-{uuid4().hex}", pure=False
            )
            for partition in partitions
        ]

    def settled(self) -> bool:
        """See `Round`."""
        return all(future.done() for future in self._futures)

    def problem(self) -> str:
        """See `Round`."""
        failed = (future for future in self._futures if future.status == "error")
        return next((str(future.exception()) for future in failed), "")


RUNNERS = {"dask": on_dask}
"""The runners that `features.runner` may name besides those in `components.features`."""
