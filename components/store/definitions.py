"""What Feast knows: the entity and the feature view of image embeddings."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Float32, Int32, String

__all__ = ["definitions"]


def definitions(embeddings: Path) -> list[Entity | FeatureView]:
    """The entity `image_view` and the view `image_embeddings` over the Parquet file `embeddings`."""
    image_view = Entity(
        name="image_view", join_keys=["view_id"], value_type=ValueType.STRING, description="One view of one photo."
    )
    source = FileSource(name="image_embeddings", path=str(embeddings), timestamp_field="event_timestamp")
    image_embeddings = FeatureView(
        name="image_embeddings",
        entities=[image_view],
        ttl=timedelta(0),  # an embedding of a photo never grows old
        schema=[
            Field(name="view_id", dtype=String),
            Field(name="image_id", dtype=String),
            Field(name="view", dtype=Int32),
            Field(name="embedding", dtype=Array(Float32)),
        ],
        source=source,
        online=False,  # what is served from memory is in the bundle; photos are looked up offline only
        description="Unit image embeddings of the backbone, one row a view.",
    )
    return [image_view, image_embeddings]
