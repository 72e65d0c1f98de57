"""What one stage writes, the next one reads as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from components.artefacts import (
    BackboneFacts,
    ClassTexts,
    FeatureKeys,
    Pair,
    PhotoTables,
    embeddings_file,
    projector_facts,
    read_clean_embeddings,
    read_metrics,
    read_pairs,
    read_projector,
    write_embeddings,
    write_metrics,
    write_pairs,
    write_projector,
)
from components.backbone import Projector
from components.errors import UserInputError
from components.features import View
from components.ingest.tables import CLASSES, MANIFEST, QUARANTINE, SAMPLE

FACTS = BackboneFacts("mine", "a" * 64, {"size": 64}, "fp32", "cpu", "b" * 64, 100.0, ("a photo of a {}.",))


def empty(schema: pa.Schema) -> pa.Table:
    return schema.empty_table()


def photo_tables(folder: Path) -> PhotoTables:
    """With one class and one drawn photo."""
    tables = PhotoTables(folder)
    tables.write(
        manifest=empty(MANIFEST),
        quarantine=empty(QUARANTINE),
        sample=pa.table([["0" * 64], ["rust"], ["support"], pa.array([0], pa.int32())], schema=SAMPLE),
        classes=pa.table([["rust"], ["rust"], [None], ["folder"]], schema=CLASSES),
    )
    return tables


def test_tables_of_photos(tmp_path: Path) -> None:
    tables = photo_tables(tmp_path)

    assert tables.class_names() == ["rust"]
    assert tables.sample()["role"].to_pylist() == ["support"]
    assert tables.manifest(["id", "path"]).column_names == ["id", "path"]
    assert tables.quarantine().num_rows == 0
    with pytest.raises(ValueError, match=r"manifest\.parquet: its columns are"):
        tables.write(manifest=empty(SAMPLE), quarantine=empty(QUARANTINE), sample=empty(SAMPLE), classes=empty(CLASSES))


def test_keys_are_read_by_role_in_their_order(tmp_path: Path) -> None:
    views = [View("b", 0), View("b", 1), View("a", 0)]
    FeatureKeys(views, ["support", "support", "query"], ["x", "y", "z"]).write(tmp_path)

    assert FeatureKeys.read(tmp_path, ["support"]) == FeatureKeys(views[:2], ["support"] * 2, ["x", "y"])
    assert FeatureKeys.read(tmp_path, ["validation"]) == FeatureKeys([], [], [])


@pytest.mark.parametrize("kind", [None, "linear"])
def test_the_backbone_its_projector_and_its_words(tmp_path: Path, kind: str | None) -> None:
    projector = None if kind is None else Projector("linear", {"output_weight": torch.eye(3)}, heads=2, patches=4)
    facts = BackboneFacts(**{**vars(FACTS), "projector": projector_facts(projector)})
    facts.write(tmp_path)
    write_projector(tmp_path, projector)
    ClassTexts(torch.eye(3), None if kind is None else torch.ones(3, 3)).write(tmp_path)

    assert BackboneFacts.read(tmp_path) == facts
    assert set(facts.identity) == {"name", "weights", "preprocessing", "precision", "device_kind"}
    read, texts = read_projector(tmp_path), ClassTexts.read(tmp_path)
    assert torch.equal(texts.text_embeddings, torch.eye(3))
    if projector is None:
        assert (read, texts.covariance) == (None, None)
    else:
        assert read is not None
        assert texts.covariance is not None
        assert (read.kind, read.heads, read.patches) == ("linear", 2, 4)
        assert torch.equal(read.tensors["output_weight"], torch.eye(3))


def test_pairs_are_kept_by_the_names_of_their_classes(tmp_path: Path) -> None:
    pairs = [Pair(1, 0, 0.5, 0.25, -1 / 3), Pair(0, 1, 0.1, 0.2, 0.75)]
    write_pairs(tmp_path, pairs, ["rust", "a, comma"])

    assert read_pairs(tmp_path, ["rust", "a, comma"]) == pairs
    assert [pair.label for pair in read_pairs(tmp_path, ["a, comma", "rust"])] == [0, 1]


def test_embeddings_and_metrics(tmp_path: Path) -> None:
    rows = torch.eye(4)
    write_embeddings(embeddings_file(tmp_path), [(["a", "a"], [0, 1], rows[:2])], datetime(2026, 1, 1, tzinfo=UTC))
    write_metrics(tmp_path, {"version": 1})

    ids, embeddings = read_clean_embeddings(embeddings_file(tmp_path))
    assert (ids.to_pylist(), embeddings.tolist()) == (["a"], rows[:1].tolist())
    assert read_metrics(tmp_path) == {"version": 1}


@pytest.mark.parametrize(
    "read",
    [
        lambda folder: PhotoTables(folder).sample(),
        lambda folder: FeatureKeys.read(folder, ["support"]),
        BackboneFacts.read,
        ClassTexts.read,
        read_projector,
        read_metrics,
        lambda folder: read_pairs(folder, []),
    ],
)
def test_where_the_stage_has_not_run_the_error_says_what_to_do(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(UserInputError) as caught:
        read(tmp_path)
    assert "shotline train" in caught.value.remedy
