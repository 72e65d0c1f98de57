"""What Feast knows: image embeddings (offline), the classes of live versions and which version is live (online)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from feast import Entity, FeatureView, Field, FileSource, ValueType
from feast.types import Array, Float32, Int32, String

__all__ = ["definitions"]


def definitions(embeddings: Path) -> list[Entity | FeatureView]:
    """Every entity and feature view.

    `image_embeddings` lies over the Parquet file `embeddings`. `class_embeddings` and `live_version` are written to the
    online store alone: they are a projection of `models/live`, which keeps their history.
    """
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
    return [image_view, image_embeddings, *_live_definitions()]


def _live_definitions() -> list[Entity | FeatureView]:
    version = Entity(name="live_version", join_keys=["version"], value_type=ValueType.STRING, description="A version.")
    name = Entity(name="class_name", join_keys=["class_name"], value_type=ValueType.STRING, description="A class.")
    workspace = Entity(
        name="workspace", join_keys=["workspace"], value_type=ValueType.STRING, description="Identity of a workspace."
    )
    class_embeddings = FeatureView(
        name="class_embeddings",
        entities=[version, name],
        ttl=timedelta(0),  # a version never changes
        schema=[
            Field(name="version", dtype=String),
            Field(name="class_name", dtype=String),
            Field(name="words", dtype=String),
            Field(name="kind", dtype=String),
            Field(name="made_from", dtype=String),
            Field(name="place", dtype=Int32),
            Field(name="offset", dtype=Float32),
            Field(name="embedding", dtype=Array(Float32)),
        ],
        source=_never_read("class_embeddings"),
        online=True,
        description="The vector that stands for a class of a version, and what its calibrated logit needs.",
    )
    live_version = FeatureView(
        name="live_version",
        entities=[workspace],
        ttl=timedelta(0),
        schema=[
            Field(name="workspace", dtype=String),
            Field(name="version", dtype=String),
            Field(name="bundle", dtype=String),
            Field(name="moved", dtype=String),
            Field(name="classes", dtype=Array(String)),
            Field(name="logit_scale", dtype=Float32),
            Field(name="threshold", dtype=Float32),
            Field(name="backbone", dtype=String),
        ],
        source=_never_read("live_version"),
        online=True,
        description="Which version a workspace has live, and since when.",
    )
    return [version, name, workspace, class_embeddings, live_version]


def _never_read(name: str) -> FileSource:
    """Feast wants a source for every view; these are written by `ClassStore`, and no file is ever made."""
    return FileSource(name=name, path=f"{name}.parquet", timestamp_field="event_timestamp")
