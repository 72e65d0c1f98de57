"""Feast's point-in-time join: what was known of some entities at a time."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from components.store.repository import feature_store

__all__ = ["joined_at"]


def joined_at(
    repository: Path, keys: Mapping[str, Sequence[str]], features: Sequence[str], as_of: datetime
) -> pa.Table:
    """The features of entities as known at `as_of`, in the order given.

    Args:
        repository: the folder with `feature_store.yaml`.
        keys: join key to its values, one value per entity.
        features: `view:feature`.
        as_of: with a time zone.

    Returns:
        One row per entity, with keys and features as columns; features that were not known yet are null.
    """
    import pandas as pd

    n = len(next(iter(keys.values())))
    columns: dict[str, Any] = {name: list(values) for name, values in keys.items()}
    entities = pd.DataFrame(
        {
            **columns,
            "row": np.arange(n),
            "event_timestamp": pd.Series([as_of] * n, dtype="datetime64[us, UTC]"),
        }
    )
    store = feature_store(repository)
    with warnings.catch_warnings():
        # A deprecation warning about ibis's own calls of DuckDB, which no user of Shotline can act on.
        warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)
        joined: pa.Table = store.get_historical_features(entities, list(features)).to_arrow()
    return joined.sort_by("row")
