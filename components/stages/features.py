"""The stage features: photos that are not cached are encoded; embeddings of images and class texts are written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from torch import Tensor

from components.artefacts import (
    BackboneFacts,
    ClassTexts,
    FeatureKeys,
    PhotoTables,
    PoolFacts,
    embeddings_file,
    projector_facts,
    write_embeddings,
    write_projector,
)
from components.backbone import Backbone, BackboneSettings, load_with_beside
from components.errors import UserInputError
from components.features import (
    Distribute,
    EncodingWork,
    FeaturesSettings,
    LoadBackbone,
    PhotoFeatures,
    View,
    class_embeddings,
    features_cache,
)
from components.ingest import IngestSettings, near_any
from components.pool import Pool, PoolSettings
from components.stages.reporter import Reporter
from components.threads import one_thread
from components.workspace import Workspace

__all__ = ["encoding", "load_workspace_backbone", "run", "workspace_features"]

_CHUNK = 2048  # embeddings in memory at once while the Parquet file is written


Runner = Callable[[FeaturesSettings, EncodingWork], Distribute]
"""A value of `features.runner`: gives the function that runs partitions elsewhere."""


def run(workspace: Workspace, reporter: Reporter, runners: Mapping[str, Runner] | None = None) -> dict[str, Any]:
    """Write to `data/features`: keys.parquet, embeddings.parquet (Feast's source), texts.safetensors,
    projector.safetensors, backbone.json, pool.json.

    Args:
        workspace: has the photos.
        reporter: receives progress.
        runners: values of `features.runner` that this room does not know, and their runners.
    """
    settings = workspace.parameters.section("features", FeaturesSettings)
    since = datetime.fromisoformat(workspace.parameters.section("ingest", IngestSettings).since)
    backbone = load_workspace_backbone(workspace)
    sample = PhotoTables(workspace.validated).sample()
    rows = [
        (role, View(image_id, number))
        for image_id, role in zip(sample["id"].to_pylist(), sample["role"].to_pylist(), strict=True)
        for number in range(1 + settings.views if role == "support" else 1)
    ]
    pool, facts = _pool(workspace, sample["id"].to_pylist())
    rows += [("pool", View(photo)) for photo in pool]
    views = [view for _, view in rows]
    made_with = BackboneFacts(
        **{name: fact for name, fact in asdict(backbone.identity).items() if name != "folded"},
        digest=backbone.identity.digest,
        logit_scale=backbone.logit_scale,
        templates=settings.templates,
        projector=projector_facts(backbone.projector),
    )
    features = workspace_features(workspace, made_with, lambda: backbone)
    distribute = _distribute(workspace, settings, runners or {})
    summary = features.encode(views, progress=encoding(reporter), size=settings.shard_views, distribute=distribute)
    photos = sample.num_rows + len(pool)
    reporter.note(f"{summary.views} views of {photos} photos, {summary.encoded} encoded now")
    if repeated := features.cache.store.repeated:
        reporter.note(f"{features.cache.store.url}: {repeated} calls failed and were repeated; nothing is missing")
    if facts.photos or facts.left_out:
        left = f"; {facts.left_out} more left out, since they are (nearly) a labelled photo" if facts.left_out else ""
        reporter.note(f"{facts.photos} of these photos are from the pool{left}")

    keys = features.keys(views)
    folder = workspace.features
    FeatureKeys(views, [role for role, _ in rows], keys).write(folder)
    write_embeddings(embeddings_file(folder), _chunks(views, features), since, pool)
    facts.write(folder)
    with one_thread():
        names = PhotoTables(workspace.validated).classes()["name"].to_pylist()
        text_embeddings = class_embeddings(names, settings.templates, backbone)
    ClassTexts(text_embeddings, backbone.covariance).write(folder)
    write_projector(folder, backbone.projector)
    made_with.write(folder)
    features.cache.evict(int(settings.cache_limit_gb * 1e9), keep=features.all_keys(views))
    return {"views": summary.views, "encoded": summary.encoded}


def _distribute(
    workspace: Workspace, settings: FeaturesSettings, runners: Mapping[str, Runner]
) -> Callable[[bool], Distribute] | None:
    if settings.runner == "local":
        return None
    runner = _ray() if settings.runner == "ray" else runners.get(settings.runner)
    if runner is None:
        raise UserInputError(
            f"nothing here runs features.runner {settings.runner}",
            on="params.yaml: features.runner",
            remedy="run `shotline train` or `shotline stage features`, or set local",
        )
    load = LoadBackbone(workspace.parameters.section("backbone", BackboneSettings), workspace.models.resolve())
    limits = workspace.parameters.section("ingest", IngestSettings).limits
    return lambda second: runner(settings, EncodingWork(load, second, limits))


def _ray() -> Runner:
    try:
        from components.features import on_ray
    except ImportError as error:
        raise UserInputError(
            f"features.runner is ray, which is not installed ({error})",
            on="params.yaml: features.runner",
            remedy="pip install 'shotline[ray]', or set local",
        ) from error
    return on_ray


def _pool(workspace: Workspace, sampled: list[str]) -> tuple[dict[str, datetime], PoolFacts]:
    """Photos of the pool that training may learn from, each with its event time, sorted by hash.

    Near-duplicates of a labelled photo of the sample are left out: they would let training learn from a query photo, or
    from a support photo that a fold holds out.
    """
    if not workspace.parameters.section("pool", PoolSettings).use:
        return {}, PoolFacts()
    photos = sorted((each for each in Pool(workspace.pool).photos() if each.word != "bad"), key=lambda each: each.photo)
    if not photos:
        return {}, PoolFacts()
    manifest = PhotoTables(workspace.validated).manifest(["id", "thumbnail"])
    ids = set(manifest["id"].to_pylist())
    drawn = manifest.filter(pc.is_in(manifest["id"], value_set=pa.array(sampled, pa.string())))
    near_duplicate = workspace.parameters.section("ingest", IngestSettings).near_duplicate
    near = near_any({each.photo: each.grey for each in photos}, drawn["thumbnail"].to_pylist(), near_duplicate)
    kept = [each for each in photos if each.photo not in near and each.photo not in ids]
    times = {each.photo: datetime.fromisoformat(each.time) for each in kept}
    return times, PoolFacts(len(kept), len(photos) - len(kept))


def load_workspace_backbone(workspace: Workspace) -> Backbone:
    """The backbone that `params.yaml` names."""
    settings = workspace.parameters.section("backbone", BackboneSettings)
    return load_with_beside(settings, workspace.models)


def workspace_features(
    workspace: Workspace, made_with: BackboneFacts, backbone: Callable[[], Backbone]
) -> PhotoFeatures:
    """Features of the photos in `data/raw` and in the pool, in the form that `params.yaml` names; see `PhotoFeatures`."""

    def files() -> dict[str, Path]:
        manifest = PhotoTables(workspace.validated).manifest(["id", "path"])
        ids, paths = manifest["id"].to_pylist(), manifest["path"].to_pylist()
        raw = workspace.raw.resolve()  # workers have another current folder
        labelled = {image_id: raw / path for image_id, path in zip(ids, paths, strict=True)}
        pool = Pool(workspace.pool)
        return {each.photo: pool.path(each.photo) for each in pool.photos()} | labelled

    return PhotoFeatures(
        features_cache(workspace),
        mode=workspace.parameters.section("features", FeaturesSettings).mode,
        made_with=made_with,
        backbone=backbone,
        files=files,
        limits=workspace.parameters.section("ingest", IngestSettings).limits,
    )


def encoding(reporter: Reporter) -> Callable[[int, int], None]:
    """Tells `reporter` how many views are encoded."""
    return lambda done, total: reporter.progress(done, total, "views encoded")


def _chunks(views: list[View], features: PhotoFeatures) -> Iterator[tuple[list[str], list[int], Tensor]]:
    for start in range(0, len(views), _CHUNK):
        part = views[start : start + _CHUNK]
        embeddings = features.read(part, levels=False).embedding
        yield [view.image_id for view in part], [view.number for view in part], embeddings
