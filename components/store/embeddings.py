"""Reading embeddings through Feast."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.artefacts import view_id
from components.errors import ShotlineError
from components.store.repository import feature_store

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EmbeddingStore"]


class EmbeddingStore:
    """Feast's repository in the workspace, over one Parquet file of embeddings.

    Importing Feast takes about five seconds, torch three; it happens at the first read.
    """

    def __init__(self, repository: Path, embeddings: Path) -> None:
        self._repository = repository
        self._embeddings = embeddings

    def read(self, views: Sequence[tuple[str, int]], as_of: datetime) -> Tensor:
        """Embeddings (len(views), d) float32 of (image id, view number), as known at `as_of`, in the order given.

        Raises:
            ShotlineError: the join lost, doubled or did not find a row.
        """
        import pandas as pd
        import torch

        entities = pd.DataFrame(
            {
                "view_id": [view_id(image_id, view) for image_id, view in views],
                "row": np.arange(len(views)),
                "event_timestamp": pd.Series([as_of] * len(views), dtype="datetime64[us, UTC]"),
            }
        )
        store = feature_store(self._repository, self._embeddings)
        with warnings.catch_warnings():
            # ibis calls DuckDB by a name that DuckDB is retiring; nothing that a reader of ours could change.
            warnings.filterwarnings("ignore", "fetch_arrow_table", DeprecationWarning)
            joined = store.get_historical_features(entities, ["image_embeddings:embedding"]).to_arrow()
        joined = joined.sort_by("row")
        if joined.num_rows != len(views) or joined["embedding"].null_count:
            raise ShotlineError(
                f"{len(views)} embeddings were asked for, the feature store gave {joined.num_rows}, "
                f"{joined['embedding'].null_count} of them empty",
                on=str(self._embeddings),
                remedy="run the stage features again; remove data/feature_store/registry.db if it stays",
            )
        column = joined["embedding"].combine_chunks()
        flat = torch.from_numpy(column.flatten().to_numpy(zero_copy_only=False).astype(np.float32))
        return flat.reshape(len(views), -1)
