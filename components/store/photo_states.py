"""Where each photo lay at a time, by Feast's point-in-time join over the view `photo_states`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.errors import ShotlineError
from components.store.joining import joined_at

__all__ = ["PhotoState", "PhotoStates"]


@dataclass(frozen=True)
class PhotoState:
    """What held of a photo at a time.

    Attributes:
        in_raw: it lay in `data/raw`.
        in_pool: it was one of the pool's.
        added_class: the class that an arrival had brought it for; empty for none.
    """

    in_raw: bool
    in_pool: bool
    added_class: str


class PhotoStates:
    """Feast's repository in the workspace, over the Parquet file of what was known of photos when.

    Args:
        repository: the folder with `feature_store.yaml`.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository

    def at(self, photos: Sequence[str], as_of: datetime) -> dict[str, PhotoState]:
        """What held of these photos at that time, by their SHA-256; those that nobody knew yet are left out.

        Raises:
            ShotlineError: the join lost or doubled a row.
        """
        names = ("in_raw", "in_pool", "added_class")
        joined = joined_at(self._repository, {"image_id": photos}, [f"photo_states:{name}" for name in names], as_of)
        if joined.num_rows != len(photos):
            raise ShotlineError(
                f"{len(photos)} photos were asked for, the feature store gave {joined.num_rows}",
                on=str(self._repository),
                remedy="remove data/feature_store/registry.db and try again",
            )
        return {
            row["image_id"]: PhotoState(**{name: row[name] for name in names})
            for row in joined.to_pylist()
            if row["in_raw"] is not None
        }
