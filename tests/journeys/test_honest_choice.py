"""Query photos measure and choose nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.support.stories import CLASSES, Run, tree_digest


@pytest.mark.soak  # components/stages shows it over a fake backbone
def test_scrambling_the_query_labels_changes_the_metrics_and_nothing_else(
    trained: Path, copy_of_trained: Path, run_command: Run
) -> None:
    test_photos = copy_of_trained / "data/raw/test"
    for number, name in enumerate(CLASSES):
        (test_photos / name).rename(test_photos / f"{number}.moving")
    for number in range(len(CLASSES)):
        (test_photos / f"{number}.moving").rename(test_photos / CLASSES[(number + 1) % len(CLASSES)])

    for stage in ("ingest", "validate", "features", "ldc", "classifier", "liteembed", "evaluate"):
        run_command("shotline", "stage", stage, cwd=copy_of_trained)

    straight, scrambled = (
        json.loads((root / "reports/metrics.json").read_text()) for root in (trained, copy_of_trained)
    )
    assert tree_digest(copy_of_trained / "models/bundle") == tree_digest(trained / "models/bundle")
    assert scrambled["shipped"]["head"] == straight["shipped"]["head"]
    assert scrambled["shipped"]["why"] == straight["shipped"]["why"]
    assert scrambled["shipped"]["top1"] < straight["shipped"]["top1"] - 0.5


@pytest.mark.soak
def test_more_query_photos_leave_the_bundle_as_it_is(trained: Path, copy_of_trained: Path, run_command: Run) -> None:
    for number in range(6):
        draw_photo(copy_of_trained / f"data/raw/test/red/more_{number}.jpg", 7000 + number, hue=40 * number)
    # almost a support photo: it must not tie support photos together
    support = next((copy_of_trained / "data/raw/train/blue").iterdir())
    with Image.open(support) as photo:
        photo.save(copy_of_trained / "data/raw/test/blue/almost.jpg", quality=70)

    for stage in ("ingest", "validate", "features", "ldc", "classifier"):
        run_command("shotline", "stage", stage, cwd=copy_of_trained)

    assert tree_digest(copy_of_trained / "models/bundle") == tree_digest(trained / "models/bundle")


@pytest.mark.soak
def test_without_a_test_split_the_figures_are_out_of_fold_and_say_so(
    make_workspace: Callable[[], Path], run_command: Run, photo_folder: Path
) -> None:
    workspace = make_workspace()
    Workspace(workspace).set_parameters({"classifier.heads": ["zero_shot", "nearest_mean", "gda"]})

    printed = run_command("shotline", "train", photo_folder / "train", "--shots", "0", "--plain", cwd=workspace).stdout

    metrics = json.loads((workspace / "reports/metrics.json").read_text())
    assert metrics["evidence"] == "out_of_fold"
    assert metrics["data"] == {"classes": 5, "support": 40, "query": None}
    assert "held-out folds" in printed
