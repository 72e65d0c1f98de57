"""A workspace's photos come with their own path and class, each once, whatever views were encoded."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn.functional import normalize

from components.artefacts import BackboneFacts, FeatureKeys, PhotoTables, embeddings_file, write_embeddings
from components.errors import UserInputError
from components.features import View
from components.retrieval import Photos
from components.workspace import Workspace


@pytest.fixture
def embeddings() -> torch.Tensor:
    """(3 photos, 3 views, 8)."""
    return normalize(torch.randn(3, 3, 8, generator=torch.Generator().manual_seed(0)), dim=2)


@pytest.fixture
def workspace(tmp_path: Path, embeddings: torch.Tensor) -> Workspace:
    """Photos c, a, b with two augmented views each, in two row groups, the first of them of augmented views alone."""
    place = Workspace(tmp_path)
    chunks = [
        (["c", "c"], [1, 2], embeddings[0, 1:]),
        (
            ["c", "a", "a", "b", "b"],
            [0, 0, 1, 2, 0],
            torch.stack([*embeddings[[0, 1, 1], [0, 0, 1]], *embeddings[2, [2, 0]]]),
        ),
    ]
    write_embeddings(embeddings_file(place.features), chunks, datetime(2026, 1, 1, tzinfo=UTC))
    FeatureKeys([View("a")], ["support"], ["k"]).write(place.features)
    BackboneFacts("fake", "0" * 64, {}, "fp32", "cpu", "1" * 64, 100.0, ("a {}",)).write(place.features)
    place.validated.mkdir(parents=True)
    manifest = {"id": list("abcd"), "path": ["x/a.jpg", "x/b.jpg", "y/c.jpg", "y/d.jpg"], "class": list("xxyy")}
    pq.write_table(pa.table(manifest), PhotoTables(place.validated).manifest_file)
    return place


def test_clean_views_alone_are_read_in_the_files_order(workspace: Workspace, embeddings: torch.Tensor) -> None:
    photos = Photos.read(workspace)

    np.testing.assert_array_equal(photos.embeddings, embeddings[:, 0].numpy())
    assert photos.table.to_pylist() == [
        {"id": "c", "path": "data/raw/y/c.jpg", "class": "y"},
        {"id": "a", "path": "data/raw/x/a.jpg", "class": "x"},
        {"id": "b", "path": "data/raw/x/b.jpg", "class": "x"},
    ]
    assert photos.not_drawn == 1
    [itself] = photos.like(embeddings[1, 0].numpy(), 1)
    assert (itself.path, itself.class_name, itself.similarity) == ("data/raw/x/a.jpg", "x", pytest.approx(1, abs=1e-6))
    known = photos.embedding_of("b")
    assert known is not None
    np.testing.assert_array_equal(known, embeddings[2, 0].numpy())
    assert photos.embedding_of("d") is None


def test_embeddings_of_photos_that_are_not_listed_are_an_error(workspace: Workspace) -> None:
    path = PhotoTables(workspace.validated).manifest_file
    pq.write_table(pq.read_table(path).slice(0, 2), path)

    with pytest.raises(UserInputError, match="1 of 3 embeddings are of photos") as caught:
        Photos.read(workspace)
    assert "shotline train" in caught.value.remedy
