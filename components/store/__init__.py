"""Feast: the one source of embeddings at training and serving time.

In: the Parquet file of embeddings that the stage features writes. Out: embeddings of asked-for views by a
point-in-time join, as many rows as were asked for, in their order; all clean ones straight from the file.
"""

from components.store.embeddings import EmbeddingStore
from components.store.table import EMBEDDING_SCHEMA, read_clean_embeddings, view_id, write_embeddings

__all__ = ["EMBEDDING_SCHEMA", "EmbeddingStore", "read_clean_embeddings", "view_id", "write_embeddings"]
