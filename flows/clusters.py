"""Partitions of features on a Dask cluster, each a Prefect task."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from components.errors import UserInputError

if TYPE_CHECKING:
    from components.features import Distribute, FeaturesSettings, Work
    from components.features.encode import Progress
    from components.features.partition import Plan
    from components.features.shard_store import ShardStore

__all__ = ["RUNNERS", "on_dask"]


def on_dask(settings: FeaturesSettings, work: Work) -> Distribute:
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
    from prefect import flow

    from flows.running import in_this_process

    local = {"n_workers": settings.workers, "threads_per_worker": 1, "dashboard_address": None}
    cluster: dict[str, Any] = {"address": settings.address} if settings.address else {"cluster_kwargs": local}

    def distribute(plan: Plan, store: ShardStore, progress: Progress | None) -> None:
        runner: Any = DaskTaskRunner(**cluster)

        @flow(name="encode", flow_run_name=f"encode {len(plan)} partitions", task_runner=runner)
        def encode() -> None:
            from components.features.distributed import until_committed

            until_committed(plan, store, lambda missing: _Round(missing, store, work), progress)

        with in_this_process(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*large graph.*")
            encode()

    return distribute


class _Round:
    """Partitions as tasks of Prefect's on Dask; see `components.features.distributed.Round`."""

    def __init__(self, partitions: Plan, store: ShardStore, work: Work) -> None:
        from prefect import task
        from prefect.cache_policies import NO_CACHE

        from components.features.distributed import encode_partition

        encode = task(name="encode", cache_policy=NO_CACHE, persist_result=False)(encode_partition)
        self._futures: list[Any] = [
            encode.with_options(task_run_name=f"encode {partition.id[:8]}").submit(work, partition, store)
            for partition in partitions
        ]

    def settled(self) -> bool:
        """See `Round`."""
        return all(future.wrapped_future.done() for future in self._futures)

    def problem(self) -> str:
        """See `Round`."""
        for future in self._futures:
            future.wait(timeout=1)
            if future.state.is_failed() or future.state.is_crashed():
                return str(future.state.message or future.state.name)
        return ""


RUNNERS = {"dask": on_dask}
"""What `features.runner` names beyond what `components.features` knows."""
