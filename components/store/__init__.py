"""Feast: the source of embeddings at training and serving time.

In: the Parquet file of embeddings that the stage features writes; the classes of live versions. Out: embeddings of
views by a point-in-time join, one row per requested view, in order; a version's classes by name.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.store.class_store import ClassRow, ClassStore, LiveRow
    from components.store.embeddings import EmbeddingStore
    from components.store.photo_states import PhotoState, PhotoStates
    from components.store.settings import StoreSettings

__all__ = [
    "ClassRow",
    "ClassStore",
    "EmbeddingStore",
    "LiveRow",
    "PhotoState",
    "PhotoStates",
    "StoreSettings",
]

on_demand(__name__)
