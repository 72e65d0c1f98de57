"""The pool: photos without a label, kept under their hashes in `data/pool`.

In: photos from folders, or from the service. Out: `Pool`, which lists, keeps and forgets them; `add_photos`, which
judges them as ingest does; `rank`, which says which of them are most worth a label.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.pool.adding import PoolAdded, add_photos
    from components.pool.keeping import Keeper, why_kept
    from components.pool.pool import Pool, PooledPhoto
    from components.pool.ranking import RankedPhoto, rank
    from components.pool.settings import PoolSettings

__all__ = [
    "Keeper",
    "Pool",
    "PoolAdded",
    "PoolSettings",
    "PooledPhoto",
    "RankedPhoto",
    "add_photos",
    "rank",
    "why_kept",
]

on_demand(__name__)
