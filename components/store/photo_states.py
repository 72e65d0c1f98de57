"""The state of each photo at a time, by Feast's point-in-time join over the view `photo_states`."""

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
    """The state of a photo at a time.

    Attributes:
        in_raw: it lay in `data/raw`.
        in_pool: it was in the pool.
        added_class: the class for which an arrival had brought it; empty if none.
    """

    in_raw: bool
    in_pool: bool
    added_class: str


class PhotoStates:
    """Feast's repository in the workspace; its source is the file of photo histories.

    Args:
        repository: the folder with `feature_store.yaml`.
    """

    def __init__(self, repository: Path) -> None:
        self._repository = repository

    def at(self, photos: Sequence[str], as_of: datetime) -> dict[str, PhotoState]:
        """The states of these photos at that time, by their SHA-256; photos that were not known yet are left out.

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
