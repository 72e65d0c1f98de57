"""Labelled rows for the heads: embeddings joined with levels from the cache, labels and groups.

Functions that choose take `Rows`, of support or validation photos. Query photos are a `Query`, which no function that
chooses accepts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import pyarrow as pa
import torch
from torch import Tensor

from components.artefacts import BackboneFacts, FeatureKeys, PhotoTables, embeddings_file, read_embeddings
from components.backbone import Backbone, Beside, PairedBackbone, load_backbone
from components.errors import UserInputError
from components.evaluate import Query
from components.features import Features, View
from components.heads import Head
from components.ingest import IngestSettings, groups_of
from components.stages.features import encoding, workspace_features
from components.stages.reporter import Reporter
from components.store import EmbeddingStore, StoreSettings
from components.workspace import Workspace

__all__ = ["Rows", "read_pool", "read_query", "read_rows"]


@dataclass(frozen=True)
class Rows:
    """Labelled views of support or validation photos, which may be learnt from and chosen on.

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
    workspace: Workspace,
    role: Literal["support", "validation"],
    reporter: Reporter,
    *,
    heads: Sequence[Head] | None = (),
) -> Rows:
    """The rows of photos with that role, in the order of `FeatureKeys`.

    Levels are pooled unless one of `heads` reads finer ones. If `heads` is None they are as cached, and mapped from
    disk.
    """
    views, features, labels = _read(workspace, role, reporter, heads)
    image_ids = [view.image_id for view in views]
    image_number = {image_id: number for number, image_id in enumerate(dict.fromkeys(image_ids))}
    images = torch.tensor([image_number[image_id] for image_id in image_ids], dtype=torch.int64)
    manifest = PhotoTables(workspace.validated).manifest(["id", "thumbnail"])
    near_duplicate = workspace.parameters.section("ingest", IngestSettings).near_duplicate
    groups = _groups(manifest, list(image_number), near_duplicate)
    numbers = torch.tensor([view.number for view in views], dtype=torch.int64)
    return Rows(image_ids, features, labels, images, groups[images], numbers)


def read_query(workspace: Workspace, reporter: Reporter, *, heads: Sequence[Head] | None = ()) -> Query | None:
    """The photos that are only measured on, levels as in `read_rows`; None if there are none."""
    views, features, labels = _read(workspace, "query", reporter, heads)
    return Query(features, labels, tuple(view.image_id for view in views)) if views else None


def read_pool(workspace: Workspace) -> Tensor | None:
    """Embeddings (p, d) of the photos without a label that training may learn from; None if there are none."""
    recorded = FeatureKeys.read(workspace.features, ["pool"])
    if not recorded.views:
        return None
    wanted = [(view.image_id, view.number) for view in recorded.views]
    return read_embeddings(embeddings_file(workspace.features), wanted)


def _read(
    workspace: Workspace, role: str, reporter: Reporter, heads: Sequence[Head] | None
) -> tuple[list[View], Features, Tensor]:
    """The views of one role, with their features and labels."""
    recorded = FeatureKeys.read(workspace.features, [role])
    tables = PhotoTables(workspace.validated)
    place = {name: number for number, name in enumerate(tables.class_names())}
    label_of = {row["id"]: place[row["class"]] for row in tables.sample().select(["id", "class"]).to_pylist()}
    features = _features(workspace, recorded, heads, reporter)
    return recorded.views, features, torch.tensor([label_of[view.image_id] for view in recorded.views]).long()


def _features(
    workspace: Workspace, recorded: FeatureKeys, heads: Sequence[Head] | None, reporter: Reporter
) -> Features:
    """Embeddings from the store, levels from the cache."""
    embedding = _embeddings(workspace, [(view.image_id, view.number) for view in recorded.views])
    facts = BackboneFacts.read(workspace.features)
    # After a pull the list of keys may be there without the cache: missing features are encoded.
    cached = workspace_features(workspace, facts, lambda: _recorded_backbone(workspace, facts))
    if cached.keys(recorded.views) != recorded.keys:
        raise UserInputError(
            "the features were made with another features.mode than params.yaml has now",
            on=str(workspace.features),
            remedy="run the stage features again, as `dvc repro` and `shotline train` do",
        )
    pooled = heads is not None and all(head.level_mode == "pooled" for head in heads)
    read = cached.read(recorded.views, embedding=False, pooled=pooled, mapped=not pooled, progress=encoding(reporter))
    return Features(embedding, read.levels, read.class_tokens)


def _embeddings(workspace: Workspace, wanted: list[tuple[str, int]]) -> Tensor:
    """Embeddings (n, d) float32, by Feast's join or from its source file."""
    file = embeddings_file(workspace.features)
    if not wanted:
        return torch.empty(0, 0)
    if not workspace.parameters.section("feature_store", StoreSettings).training:
        return read_embeddings(file, wanted)
    since = datetime.fromisoformat(workspace.parameters.section("ingest", IngestSettings).since)
    return EmbeddingStore(workspace.feature_store).read(wanted, since)


def _groups(manifest: pa.Table, image_ids: list[str], near_duplicate: float) -> Tensor:
    """(len(image_ids),) int64: near-duplicates share a group.

    They are found among these photos alone: over all photos, a query photo could join two support photos, and folds
    would depend on query photos.
    """
    thumbnail_of = dict(zip(manifest["id"].to_pylist(), manifest["thumbnail"].to_pylist(), strict=True))
    return torch.from_numpy(groups_of([thumbnail_of[image_id] for image_id in image_ids], near_duplicate))


def _recorded_backbone(workspace: Workspace, facts: BackboneFacts) -> Backbone:
    if facts.device_kind == "cuda" and not torch.cuda.is_available():
        raise UserInputError(
            "the features were made on a CUDA device, they are not in the cache, and torch sees none here",
            on=str(workspace.features_cache),
            remedy="encode anew on what is here: `dvc repro --force features`, then `shotline train`",
        )
    backbone = load_backbone(facts.name, models=workspace.models, device=facts.device_kind, precision=facts.precision)
    _require_same(backbone, facts.digest)
    if facts.beside is None:
        return backbone
    recorded = Beside(**facts.beside)
    second = load_backbone(
        recorded.name, models=workspace.models, device=recorded.device_kind, precision=recorded.precision
    )
    _require_same(second, recorded.digest)
    return PairedBackbone(backbone, second, recorded.weight)


def _require_same(backbone: Backbone, digest: str) -> None:
    if backbone.identity.digest != digest:
        raise UserInputError(
            "the features were made with other weights than the backbone has now",
            on=f"backbone {backbone.identity.name}",
            remedy="run the stage features again",
        )
