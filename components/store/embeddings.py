"""Reading embeddings through Feast."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.artefacts import view_id
from components.errors import ShotlineError
from components.store.joining import joined_at

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["EmbeddingStore"]


class EmbeddingStore:
    """Feast's repository in the workspace; its source is the embeddings file of the stage features.

    Importing Feast takes about five seconds, torch three; it happens at the first read.

    Args:
        repository: the folder with `feature_store.yaml`.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository

    def read(self, views: Sequence[tuple[str, int]], as_of: datetime) -> Tensor:
        """Embeddings (len(views), d) float32 of (image id, view number), as known at `as_of`, in the order given.

        Raises:
            ShotlineError: the join lost, doubled or did not find a row.
        """
        import torch

        joined = joined_at(
            self._repository,
            {"view_id": [view_id(image_id, view) for image_id, view in views]},
            ["image_embeddings:embedding"],
            as_of,
        )
        if joined.num_rows != len(views) or joined["embedding"].null_count:
            raise ShotlineError(
                f"{len(views)} embeddings were asked for, the feature store gave {joined.num_rows}, "
                f"{joined['embedding'].null_count} of them empty",
                on=str(self._repository),
                remedy="run the stage features again; remove data/feature_store/registry.db if it stays",
            )
        column = joined["embedding"].combine_chunks()
        flat = torch.from_numpy(column.flatten().to_numpy(zero_copy_only=False).astype(np.float32))
        return flat.reshape(len(views), -1)
