"""Feast's definitions: image embeddings and photo states (offline), live classes and versions (online)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TypeAlias, TypeVar

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, ValueType
from feast.types import Array, Bool, Bytes, Float32, Int32, String

from components.files import sha256_bytes

__all__ = ["TAG", "definitions"]

TAG = "shotline"
"""A tag of `image_embeddings`: the digest of all definitions, which shows whether the registry has these."""

Definition: TypeAlias = Entity | FeatureView | FeatureService
_Source = TypeVar("_Source", FileSource, PushSource)


def definitions(root: Path) -> list[Definition]:
    """Every entity, feature view and feature service of a workspace.

    Each view has a Parquet file as its source, which exists once there are rows: `image_embeddings` has the file that
    the stage features writes, the others have files in `data/cache` that are derived from ledger, pool and
    `models/live`. `class_embeddings`, `version_vectors`, `class_facts` and `live_version` are pushed to the online store
    when what is live changes.

    Args:
        root: the workspace.
    """
    images = _over("image_embeddings", root / "data/features/embeddings.parquet")
    states = _over("photo_states", root / "data/cache/photo_states.parquet")
    image_view = _entity("image_view", "view_id", "One view of one photo.")
    photo = _entity("photo", "image_id", "A photo, by the SHA-256 of its bytes.")
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
        source=images,
        online=False,  # the service has what it needs in the bundle; photos are looked up offline only
        description="Unit image embeddings of the backbone, one row per view.",
    )
    photo_states = FeatureView(
        name="photo_states",
        entities=[photo],
        ttl=timedelta(0),
        schema=[
            Field(name="image_id", dtype=String),
            Field(name="in_raw", dtype=Bool),
            Field(name="in_pool", dtype=Bool),
            Field(name="added_class", dtype=String),
        ],
        source=states,
        online=False,
        description="Where a photo lay and what class an arrival gave it, from each event time on.",
    )
    found = [image_view, photo, image_embeddings, photo_states, *_live_definitions(root / "data/cache")]
    proto = b"".join(each.to_proto().SerializeToString(deterministic=True) for each in found)
    image_embeddings.tags[TAG] = sha256_bytes(proto)[:16]
    return found


def _live_definitions(folder: Path) -> list[Definition]:
    version = _entity("live_version", "version", "A version.")
    name = _entity("class_name", "class_name", "A class.")
    class_embeddings = FeatureView(
        name="class_embeddings",
        entities=[version, name],
        ttl=timedelta(0),  # a version never changes
        schema=[
            Field(name="version", dtype=String),
            Field(name="class_name", dtype=String),
            Field(name="offset", dtype=Float32),
            Field(name="embedding", dtype=Array(Float32)),
        ],
        source=_pushed("class_embeddings", folder),
        online=True,
        description="The vector that stands for a class of a version, and what its calibrated logit needs.",
    )
    version_vectors = _version_vectors(version, folder)
    # A view of its own: SQLite reads all features of a view, even if only some are asked for.
    class_facts = FeatureView(
        name="class_facts",
        entities=[version, name],
        ttl=timedelta(0),
        schema=[
            Field(name="version", dtype=String),
            Field(name="class_name", dtype=String),
            Field(name="words", dtype=String),
            Field(name="kind", dtype=String),
            Field(name="made_from", dtype=String),
            Field(name="place", dtype=Int32),
        ],
        source=_pushed("class_facts", folder),
        online=True,
        description="What a class of a version is called, where it comes from, and its place in the answers.",
    )
    workspace, live_version = _live_version(folder)
    services = [
        FeatureService(
            name="what_is_live", features=[live_version], description="Which version answers, and its classes."
        ),
        FeatureService(
            name="live_classes", features=[class_embeddings, class_facts], description="The classes of a version."
        ),
        FeatureService(
            name="live_vectors", features=[version_vectors], description="All classes of a version in one row."
        ),
    ]
    return [version, name, workspace, class_embeddings, version_vectors, class_facts, live_version, *services]


def _version_vectors(version: Entity, folder: Path) -> FeatureView:
    return FeatureView(
        name="version_vectors",
        entities=[version],
        ttl=timedelta(0),
        schema=[
            Field(name="version", dtype=String),
            Field(name="class_names", dtype=Array(String)),
            Field(name="offsets", dtype=Array(Float32)),
            Field(name="embeddings", dtype=Bytes),
        ],
        source=_pushed("version_vectors", folder),
        online=True,
        description="All classes of a version at once: names, offsets, vectors as little-endian float32, row after row.",
    )


def _live_version(folder: Path) -> tuple[Entity, FeatureView]:
    workspace = _entity("workspace", "workspace", "Identity of a workspace.")
    view = FeatureView(
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
        source=_pushed("live_version", folder),
        online=True,
        description="Which version a workspace has live, and since when.",
    )
    return workspace, view


def _entity(name: str, key: str, description: str) -> Entity:
    return Entity(name=name, join_keys=[key], value_type=ValueType.STRING, description=description)


def _over(name: str, path: Path) -> FileSource:
    return _undated(FileSource(name=name, path=str(path), timestamp_field="event_timestamp"))


def _pushed(name: str, folder: Path) -> PushSource:
    return _undated(PushSource(name=f"{name}_push", batch_source=_over(name, folder / f"{name}.parquet")))


def _undated(source: _Source) -> _Source:
    """Without the time at which this process made it, by which the same definitions would be others each time."""
    source.created_timestamp = source.last_updated_timestamp = None
    return source
