"""Labelled rows for the heads: Feast's embeddings joined with levels from the cache, labels and groups."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import torch
from torch import Tensor

from components.backbone import load_backbone
from components.errors import UserInputError
from components.features import FeatureCache, Features, FeaturesSettings, View
from components.heads import Head
from components.ingest import IngestSettings, groups_of
from components.stages.features import encode_into_cache
from components.stages.reporter import Reporter
from components.stages.tables import read_table
from components.store import EmbeddingStore
from components.workspace import Workspace

__all__ = ["Rows", "read_backbone_facts", "read_rows"]

_CHUNK = 1024  # rows whose whole levels are in memory at once


@dataclass(frozen=True)
class Rows:
    """Labelled views of photos.

    Attributes:
        image_ids: of each row.
        features: n rows, levels pooled or as they are cached.
        labels: (n,) int64, positions in the table of classes.
        images: (n,) int64; all views of a photo share one.
        groups: (n,) int64; all views of a photo and of its near-duplicates share one.
        views: (n,) int64; 0 is the clean view.
    """

    image_ids: list[str]
    features: Features
    labels: Tensor
    images: Tensor
    groups: Tensor
    views: Tensor


def read_rows(
    workspace: Workspace, roles: Sequence[str], reporter: Reporter, *, heads: Sequence[Head] | None = ()
) -> Rows:
    """The rows of photos with one of `roles` (support, validation, query), in the order of keys.parquet.

    Levels are pooled unless one of `heads` reads them finer, or `heads` is None: then they are as cached, and mapped.
    """
    pooled = heads is not None and all(head.level_mode == "pooled" for head in heads)
    keys = read_table(workspace.features, "keys")
    keys = keys.filter(pc.is_in(keys["role"], value_set=pa.array(list(roles), pa.string())))
    sample = read_table(workspace.validated, "sample")
    manifest = read_table(workspace.validated, "manifest")
    place = {
        name: number for number, name in enumerate(read_table(workspace.validated, "classes")["class"].to_pylist())
    }
    label_of = {row["id"]: place[row["class"]] for row in sample.select(["id", "class"]).to_pylist()}
    settings = workspace.parameters.section("ingest", IngestSettings)

    image_ids: list[str] = keys["image_id"].to_pylist()
    image_number = {image_id: number for number, image_id in enumerate(dict.fromkeys(image_ids))}
    views: list[int] = keys["view"].to_pylist()
    since = datetime.fromisoformat(settings.since)
    store = EmbeddingStore(workspace.feature_store, workspace.features / "embeddings.parquet")
    embedding = store.read(list(zip(image_ids, views, strict=True)), since) if image_ids else torch.empty(0, 0)
    return Rows(
        image_ids,
        _with_levels(embedding, workspace, keys["key"].to_pylist(), image_ids, views, reporter, pooled),
        torch.tensor([label_of[image_id] for image_id in image_ids], dtype=torch.int64),
        torch.tensor([image_number[image_id] for image_id in image_ids], dtype=torch.int64),
        _groups(manifest, list(image_number), settings.near_duplicate)[
            [image_number[image_id] for image_id in image_ids]
        ],
        torch.tensor(views, dtype=torch.int64),
    )


def read_backbone_facts(workspace: Workspace) -> dict[str, Any]:
    """What the stage features wrote of the backbone that made the features."""
    path = workspace.features / "backbone.json"
    if not path.is_file():
        raise UserInputError(
            "the output of an earlier stage is missing", on=str(path), remedy="run `shotline train` or `dvc repro`"
        )
    facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return facts


def _groups(manifest: pa.Table, image_ids: list[str], near_duplicate: float) -> Tensor:
    """(len(image_ids),) int64: near-duplicates share a group.

    Found anew among these photos alone: over all photos a query photo could join two support photos, and folds would
    then depend on query photos.
    """
    rows = manifest.select(["id", "thumbnail"]).to_pylist()
    thumbnail_of = {row["id"]: row["thumbnail"] for row in rows}
    return torch.from_numpy(groups_of([thumbnail_of[image_id] for image_id in image_ids], near_duplicate))


def _with_levels(
    embedding: Tensor,
    workspace: Workspace,
    keys: list[str],
    image_ids: list[str],
    views: list[int],
    reporter: Reporter,
    pooled: bool,
) -> Features:
    cache = FeatureCache(workspace.features_cache)
    absent = set(cache.missing(keys))
    if absent:
        # After a pull the list of keys is there and the cache may not be.
        wanted = [
            View(image_id, number)
            for key, image_id, number in zip(keys, image_ids, views, strict=True)
            if key in absent
        ]
        _encode_as_recorded(wanted, cache, workspace, reporter)
    if pooled:
        parts = [cache.read(keys[start : start + _CHUNK]).pooled() for start in range(0, len(keys), _CHUNK)]
        read = Features.concatenate(parts) if parts else Features(embedding)
    else:
        read = cache.read(keys, mapped=True)
    return Features(embedding, read.levels, read.class_tokens)


def _encode_as_recorded(views: list[View], cache: FeatureCache, workspace: Workspace, reporter: Reporter) -> None:
    facts = read_backbone_facts(workspace)
    if facts["device_kind"] == "cuda" and not torch.cuda.is_available():
        raise UserInputError(
            "the features were made on a CUDA device, they are not in the cache, and torch sees none here",
            on=str(workspace.features_cache),
            remedy="encode anew on what is here: `dvc repro --force features`, then `shotline train`",
        )
    backbone = load_backbone(
        facts["name"], models=workspace.models, device=facts["device_kind"], precision=facts["precision"]
    )
    if backbone.identity.digest != facts["digest"]:
        raise UserInputError(
            "the features were made with other weights than the backbone has now",
            on=f"backbone {facts['name']}",
            remedy="run the stage features again",
        )
    mode = workspace.parameters.section("features", FeaturesSettings).mode
    encode_into_cache(views, workspace, backbone, cache, mode, reporter)
