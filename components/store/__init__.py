"""Feast: the one source of embeddings at training and serving time.

In: the Parquet file of embeddings that the stage features writes; the classes of live versions. Out: embeddings of
asked-for views by a point-in-time join, as many rows as were asked for, in their order, or all clean ones straight
from the file; a version's classes by name.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.store.class_store import ClassRow, ClassStore, LiveRow
    from components.store.embeddings import EmbeddingStore
    from components.store.settings import StoreSettings
    from components.store.table import EMBEDDING_SCHEMA, read_clean_embeddings, view_id, write_embeddings

__all__ = [
    "EMBEDDING_SCHEMA",
    "ClassRow",
    "ClassStore",
    "EmbeddingStore",
    "LiveRow",
    "StoreSettings",
    "read_clean_embeddings",
    "view_id",
    "write_embeddings",
]

on_demand(__name__)
