"""The stage features: what is not cached yet is encoded; embeddings of images and class texts are written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from safetensors.torch import save_file
from torch import Tensor

from components.backbone import Backbone, BackboneSettings, load_backbone
from components.features import (
    EncodeSummary,
    FeatureCache,
    FeaturesSettings,
    LevelMode,
    View,
    class_embeddings,
    encode_missing,
    feature_key,
)
from components.files import atomic_path, write_json
from components.ingest import IngestSettings
from components.stages.reporter import Reporter
from components.stages.tables import read_table, write_tables
from components.store import write_embeddings
from components.threads import one_thread
from components.workspace import Workspace

__all__ = ["encode_into_cache", "load_workspace_backbone", "run"]

_CHUNK = 2048  # embeddings in memory at once while the Parquet file is written


def run(workspace: Workspace, reporter: Reporter) -> dict[str, Any]:
    """Write to `data/features`: keys.parquet, embeddings.parquet (Feast's source), texts.safetensors,
    projector.safetensors, backbone.json."""
    settings = workspace.parameters.section("features", FeaturesSettings)
    since = datetime.fromisoformat(workspace.parameters.section("ingest", IngestSettings).since)
    backbone = load_workspace_backbone(workspace)
    sample = read_table(workspace.validated, "sample")
    rows = [
        (role, View(image_id, number))
        for image_id, role in zip(sample["id"].to_pylist(), sample["role"].to_pylist(), strict=True)
        for number in range(1 + settings.views if role == "support" else 1)
    ]
    views = [view for _, view in rows]
    keys = [feature_key(view, backbone.identity.digest, settings.mode) for view in views]
    cache = FeatureCache(workspace.features_cache)
    summary = encode_into_cache(views, workspace, backbone, cache, settings.mode, reporter)
    reporter.note(f"{summary.views} views of {sample.num_rows} photos, {summary.encoded} encoded now")

    write_tables(
        workspace.features,
        keys=pa.table(
            {
                "image_id": [view.image_id for view in views],
                "view": pa.array([view.number for view in views], pa.int32()),
                "role": [role for role, _ in rows],
                "key": keys,
            }
        ),
    )
    write_embeddings(workspace.features / "embeddings.parquet", _chunks(views, keys, cache), since)
    _write_texts(workspace.features, workspace, settings, backbone)
    projector = backbone.projector
    with atomic_path(workspace.features / "projector.safetensors") as beside:
        save_file({} if projector is None else projector.tensors, beside)
    write_json(
        workspace.features / "backbone.json",
        {
            "name": backbone.identity.name,
            "weights": backbone.identity.weights,
            "preprocessing": backbone.identity.preprocessing,
            "precision": backbone.identity.precision,
            "device_kind": backbone.identity.device_kind,
            "digest": backbone.identity.digest,
            "logit_scale": backbone.logit_scale,
            "templates": list(settings.templates),
            "projector": None
            if projector is None
            else {"kind": projector.kind, "heads": projector.heads, "patches": projector.patches},
        },
    )
    cache.evict(int(settings.cache_limit_gb * 1e9), keep=keys)
    return {"views": summary.views, "encoded": summary.encoded}


def load_workspace_backbone(workspace: Workspace) -> Backbone:
    """The backbone that `params.yaml` names."""
    settings = workspace.parameters.section("backbone", BackboneSettings)
    return load_backbone(settings.name, models=workspace.models, device=settings.device, precision=settings.precision)


def encode_into_cache(
    views: list[View],
    workspace: Workspace,
    backbone: Backbone,
    cache: FeatureCache,
    mode: LevelMode,
    reporter: Reporter,
) -> EncodeSummary:
    """Encode what `cache` lacks of `views`, from the photos in `data/raw`."""
    manifest = read_table(workspace.validated, "manifest")
    files: dict[str, Path] = {
        image_id: workspace.raw / path
        for image_id, path in zip(manifest["id"].to_pylist(), manifest["path"].to_pylist(), strict=True)
    }
    return encode_missing(
        views,
        files,
        backbone,
        cache,
        mode=mode,
        limits=workspace.parameters.section("ingest", IngestSettings).limits,
        progress=lambda done, total: reporter.progress(done, total, "views encoded"),
    )


def _chunks(views: list[View], keys: list[str], cache: FeatureCache) -> Iterator[tuple[list[str], list[int], Tensor]]:
    for start in range(0, len(views), _CHUNK):
        part = views[start : start + _CHUNK]
        embeddings = cache.read(keys[start : start + _CHUNK], levels=False).embedding
        yield [view.image_id for view in part], [view.number for view in part], embeddings


def _write_texts(folder: Path, workspace: Workspace, settings: FeaturesSettings, backbone: Backbone) -> None:
    names = read_table(workspace.validated, "classes")["name"].to_pylist()
    with one_thread():
        tensors = {"text_embeddings": class_embeddings(names, settings.templates, backbone)}
    if backbone.covariance is not None:
        tensors["covariance"] = backbone.covariance
    with atomic_path(folder / "texts.safetensors") as beside:
        save_file(tensors, beside)
