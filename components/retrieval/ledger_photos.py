"""The photos outside `data/raw`: of added classes, and those that wait for consolidation."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.artefacts import BackboneFacts
from components.bank import ArrivalPhotos, Ledger, states
from components.features import FeatureCache, FeaturesSettings, PhotoFeatures, View
from components.ingest import IngestSettings
from components.retrieval.backbone import backbone_of_features
from components.workspace import Workspace

__all__ = ["read_arrivals"]


def read_arrivals(
    workspace: Workspace, trained: pa.Table, made_with: BackboneFacts
) -> tuple[pa.Table, NDArray[np.float32]]:
    """The photos that the ledger leads to: a table like `trained`, and their embeddings (m, d) float32.

    Args:
        workspace: see `Workspace`.
        trained: `id`, `path`, `class` of the photos in `data/raw`; these are left out here.
        made_with: the backbone that made the others' embeddings.

    Raises:
        UserInputError: a photo is missing, or must be encoded and the backbone is another one.
    """
    state = states(Ledger(workspace.ledger).entries(), frozenset(trained["class"].to_pylist()))[-1]
    class_of = {photo: each.name for each in state.classes.values() for photo in each.photos}
    class_of |= {photo: name for name, photos in state.waiting.items() for photo in photos}
    known = set(trained["id"].to_pylist())
    photos = [photo for photo in class_of if photo not in known]
    kept = ArrivalPhotos(workspace.arrivals / "photos")
    paths = [kept.path(photo).relative_to(workspace.root).as_posix() for photo in photos]
    table = pa.table([photos, paths, [class_of[photo] for photo in photos]], schema=trained.schema)
    return table, _embeddings(workspace, photos, kept, made_with)


def _embeddings(
    workspace: Workspace, photos: list[str], kept: ArrivalPhotos, made_with: BackboneFacts
) -> NDArray[np.float32]:
    features = PhotoFeatures(
        FeatureCache(workspace.features_cache),
        mode=workspace.parameters.section("features", FeaturesSettings).mode,
        made_with=made_with,
        backbone=lambda: backbone_of_features(workspace, made_with),
        files=lambda: kept.files(photos),
        limits=workspace.parameters.section("ingest", IngestSettings).limits,
    )
    embeddings: NDArray[np.float32] = features.read([View(photo) for photo in photos], levels=False).embedding.numpy()
    return embeddings
