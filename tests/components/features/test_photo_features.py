"""The one way from a photo to its features: what is cached is read, what is not is encoded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from components.features import FeatureCache, PhotoFeatures, View
from tests.conftest import FakeBackbone


def photo_features(folder: Path, photos: dict[str, Path], backbone: FakeBackbone, weights: str = "") -> PhotoFeatures:
    return PhotoFeatures(
        FeatureCache(folder),
        mode="grid",
        made_with=replace(backbone.identity, weights=weights or backbone.identity.weights),
        backbone=lambda: backbone,  # type: ignore[arg-type,return-value]
        files=lambda: photos,
    )


def test_what_is_cached_needs_neither_backbone_nor_photos(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    views = [View(image_id) for image_id in photos]
    first = photo_features(tmp_path / "cache", photos, backbone)
    assert first.encode(views + views).encoded == len(views)

    def refuse() -> object:
        raise AssertionError("asked for, though all is cached")

    again = PhotoFeatures(
        FeatureCache(tmp_path / "cache"),
        mode="grid",
        made_with=backbone.identity,
        backbone=refuse,  # type: ignore[arg-type]
        files=refuse,  # type: ignore[arg-type]
    )
    assert torch.equal(again.read(views).embedding, first.read(views).embedding)
    assert again.read(views, levels=False).levels == ()
    whole, pooled = again.read(views), again.read(views, pooled=True)
    assert [level.ndim for level in pooled.levels] == [2] * 4
    assert all(torch.equal(a, b) for a, b in zip(whole.pooled_levels(), pooled.levels, strict=True))


def test_the_backbone_that_had_to_encode_names_the_keys(
    tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone
) -> None:
    views = [View(image_id) for image_id in photos]
    features = photo_features(tmp_path / "cache", photos, backbone, weights="of another device")
    before = features.keys(views)

    assert len(features.read(views)) == len(views)
    assert features.keys(views) != before
    assert features.keys(views) == photo_features(tmp_path / "cache", photos, backbone).keys(views)


def test_no_views_are_no_rows(tmp_path: Path, photos: dict[str, Path], backbone: FakeBackbone) -> None:
    features = photo_features(tmp_path / "cache", photos, backbone)

    assert len(features.read([])) == len(features.read([], pooled=True)) == 0
    with pytest.raises(KeyError):
        features.read([View("0" * 64)])
