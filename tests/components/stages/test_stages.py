"""Each stage over a fake backbone: what it reads, what it writes, and what it must not look at."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.artefacts import FeatureKeys, PhotoTables, PoolFacts
from components.bank import Bank
from components.classifier import Bundle, load_candidates
from components.errors import UserInputError
from components.stages import classifier, evaluate, features, ingest, ldc, liteembed
from components.stages import run as running
from components.stages.rows import read_query, read_rows
from components.workspace import Workspace
from tests.conftest import REPOSITORY, FakeBackbone, draw_photo
from tests.support.notes import Notes
from tests.support.stories import tree_digest

HEADS = ["zero_shot", "nearest_mean"]
SUPPORT, QUERY = 12, 6


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, list[str]]]:
    """A workspace after every stage but validate and package, and the notes of each. Not to be changed."""
    root = tmp_path_factory.mktemp("staged")
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text("features: {}\nclassifier: {}\n")
    shutil.copy(REPOSITORY / "versions.yaml", root)
    for number, name in enumerate(("amber", "green", "blue")):
        for photo in range(6):
            split = "train" if photo < 4 else "test"
            draw_photo(root / f"data/raw/{split}/{name}/{photo}.jpg", 10 * number + photo, hue=70 * number)
    (root / "data/raw/train/amber/broken.jpg").write_bytes(b"no photo")
    workspace = Workspace(root)
    workspace.set_parameters({"features.views": 2, "classifier.heads": HEADS, "classifier.repeats": 2})
    workspace = Workspace(root)
    notes = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "load_with_beside", lambda *_: FakeBackbone())
        for stage in (ingest, features, ldc, classifier, liteembed, evaluate):
            heard = Notes()
            stage.run(workspace, heard)
            notes[stage.__name__.rsplit(".", 1)[1]] = heard.notes
            if stage is ingest:  # validate has tests of its own, and takes seconds to import
                shutil.copytree(workspace.ingested, workspace.validated)
    return workspace, notes


@pytest.fixture
def copied(staged: tuple[Workspace, Any], tmp_path: Path) -> Workspace:
    """A copy that a test may change."""
    return Workspace(Path(shutil.copytree(staged[0].root, tmp_path / "copy")))


def test_ingest_writes_the_tables_and_says_what_is_quarantined(
    staged: tuple[Workspace, dict[str, list[str]]],
) -> None:
    workspace, notes = staged
    tables = PhotoTables(workspace.ingested)
    assert tables.manifest().num_rows == SUPPORT + QUERY
    assert tables.quarantine()["path"].to_pylist() == ["train/amber/broken.jpg"]
    assert tables.class_names() == ["amber", "blue", "green"]
    assert f"18 photos of 3 classes: {SUPPORT} support, {QUERY} query" in notes["ingest"]
    assert any(note.startswith("1 files quarantined: 1 ") for note in notes["ingest"])


def test_ingest_refuses_photos_that_change_while_they_are_read(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ingest.ingest

    def changing(root: Path, **options: Any) -> Any:
        found = real(root, **options)
        draw_photo(root / "train/blue/late.jpg", 99)
        return found

    monkeypatch.setattr(ingest, "ingest", changing)
    with pytest.raises(UserInputError, match="photos changed while they were being read"):
        ingest.run(copied, Notes())


def test_features_gives_support_photos_their_views_and_encodes_nothing_twice(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(FeatureKeys.read(copied.features, ["support"]).views) == 3 * SUPPORT
    assert len(FeatureKeys.read(copied.features, ["query"]).views) == QUERY
    assert PoolFacts.read(copied.features) == PoolFacts(0, 0)

    backbone = FakeBackbone()
    monkeypatch.setattr(features, "load_with_beside", lambda *_: backbone)
    before = {path.name: path.read_bytes() for path in copied.features.iterdir()}
    assert features.run(copied, Notes()) == {"views": 3 * SUPPORT + QUERY, "encoded": 0}
    assert backbone.rows == 0
    assert {path.name: path.read_bytes() for path in copied.features.iterdir()} == before


def test_features_names_a_runner_that_is_not_there(copied: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features, "load_with_beside", lambda *_: FakeBackbone())
    copied.set_parameters({"features.runner": "dask"})
    with pytest.raises(UserInputError, match=r"nothing here runs features\.runner dask"):
        features.run(Workspace(copied.root), Notes())


def test_ldc_that_is_not_wanted_leaves_no_candidate_and_empty_tables(
    staged: tuple[Workspace, dict[str, list[str]]],
) -> None:
    workspace, notes = staged
    assert load_candidates(workspace.ldc) == []
    assert (workspace.ldc / "log.csv").read_text() == "epoch,loss\n"
    assert notes["ldc"] == ["LDC is not among classifier.heads"]


def test_the_classifier_is_the_same_bits_without_query_photos(staged: tuple[Workspace, Any], copied: Workspace) -> None:
    recorded = FeatureKeys.read(copied.features, ["support"])
    recorded.write(copied.features)
    assert read_query(copied, Notes()) is None
    classifier.run(copied, Notes())
    assert Bundle.load(copied.bundle).version == Bundle.load(staged[0].bundle).version


def test_scrambled_query_labels_change_the_metrics_and_nothing_else(
    staged: tuple[Workspace, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With heads that search, from the photos on."""
    monkeypatch.setattr(features, "load_with_beside", lambda *_: FakeBackbone())
    bundles, metrics = [], []
    for name, turned in (("straight", 0), ("scrambled", 1)):
        workspace = Workspace(Path(shutil.copytree(staged[0].root, tmp_path / name)))
        photos, classes = workspace.raw / "test", ("amber", "green", "blue")
        for each in classes:
            (photos / each).rename(photos / f"{each}.moving")
        for number, each in enumerate(classes):
            (photos / f"{each}.moving").rename(photos / classes[(number + turned) % 3])
        workspace.set_parameters({"classifier.heads": [*HEADS, "map_lr", "linear_probe"]})
        workspace = Workspace(workspace.root)
        for stage in (ingest, features, ldc, classifier, liteembed, evaluate):
            stage.run(workspace, Notes())
            if stage is ingest:
                shutil.copytree(workspace.ingested, workspace.validated, dirs_exist_ok=True)
        bundles.append(tree_digest(workspace.bundle))
        metrics.append(json.loads((workspace.reports / "metrics.json").read_text()))

    straight, scrambled = (found["shipped"] for found in metrics)
    assert bundles[0] == bundles[1]
    assert set(metrics[0]["heads"]) == {*HEADS, "map_lr", "linear_probe"}
    assert (scrambled["head"], scrambled["why"]) == (straight["head"], straight["why"])
    assert scrambled["top1"] < straight["top1"] - 0.5


def test_the_classifier_ships_one_of_the_heads_with_its_support_photos(staged: tuple[Workspace, Any]) -> None:
    workspace = staged[0]
    bundle = Bundle.load(workspace.bundle)
    assert {candidate.name for candidate in load_candidates(workspace.models / "heads")} == set(HEADS)
    assert bundle.head.state().name in HEADS
    assert {name: len(photos) for name, photos in bundle.split.items()} == dict.fromkeys(("amber", "blue", "green"), 4)
    assert bundle.backbone["name"] == "fake"


def test_views_of_a_photo_share_its_number_and_its_group(staged: tuple[Workspace, Any]) -> None:
    rows = read_rows(staged[0], "support", Notes())
    assert rows.views.tolist() == [0, 1, 2] * SUPPORT
    for image in range(SUPPORT):
        assert len(rows.groups[rows.images == image].unique()) == 1
        assert len({rows.image_ids[row] for row in (rows.images == image).nonzero().flatten().tolist()}) == 1


def test_features_of_another_mode_are_refused(copied: Workspace) -> None:
    copied.set_parameters({"features.mode": "pooled"})
    with pytest.raises(UserInputError, match=r"made with another features\.mode"):
        read_rows(Workspace(copied.root), "support", Notes())


def test_without_a_ledger_the_bank_is_empty(staged: tuple[Workspace, Any]) -> None:
    workspace = staged[0]
    bundle = Bundle.load(workspace.bundle)
    bank = Bank.load(workspace.bank, bundle)
    assert len(bank) == 0
    assert bank.version == bundle.version


def test_evaluate_measures_the_query_photos_and_answers_each(staged: tuple[Workspace, Any]) -> None:
    workspace = staged[0]
    metrics = json.loads((workspace.reports / "metrics.json").read_text())
    assert metrics["evidence"] == "query"
    assert set(HEADS) <= set(metrics["heads"])
    rows = list(csv.DictReader((workspace.reports / "answers.csv").read_text().splitlines()))
    assert len(rows) == QUERY
    assert {row["path"].split("/")[2] for row in rows} == {"test"}
    right = sum(row["class"] == row["actual"] for row in rows)
    assert metrics["heads"][metrics["shipped"]["head"]]["top1"] == pytest.approx(right / QUERY)


@pytest.mark.parametrize(("name", "told"), [("ldcx", 'no stage "ldcx"'), ("evaluate", "other versions")])
def test_a_stage_runs_under_its_name_and_version_alone(copied: Workspace, name: str, told: str) -> None:
    versions = copied.root / "versions.yaml"
    versions.write_text(versions.read_text().replace("evaluate: ", "evaluate: 9"))
    with pytest.raises(UserInputError, match=told):
        running.run_stage(name, copied, Notes())


def test_a_stage_s_seconds_and_facts_are_recorded_beside_the_others(
    copied: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Callable[..., Any]] = []
    monkeypatch.setattr(liteembed, "run", lambda *_: ran.append(liteembed.run) or {"entries": 3})
    timings = copied.reports / "timings.json"
    timings.write_text('{"ingest": {"seconds": 1}}')
    running.run_stage("liteembed", copied, Notes())
    told = json.loads(timings.read_text())
    assert ran
    assert told["ingest"] == {"seconds": 1}
    assert told["liteembed"]["entries"] == 3
    assert told["liteembed"]["seconds"] >= 0
