"""LDC in the pipeline: one candidate among others, and what ships with it answers from the levels that it was trained on."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from components.classifier import Bundle, load_candidates
from components.workspace import Workspace
from tests.support.stories import Run, tree_digest


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_ldc_is_measured_beside_the_others_and_leaves_its_log(trained: Path) -> None:
    metrics = json.loads((trained / "reports/metrics.json").read_text())
    log, trials = table(trained / "models/ldc/log.csv"), table(trained / "models/ldc/trials.csv")

    assert 0 <= metrics["heads"]["ldc"]["top1"] <= 1
    assert [int(row["epoch"]) for row in log] == list(range(1, 5))
    assert float(log[-1]["loss"]) < float(log[0]["loss"])
    assert (trials[0]["change"], trials[0]["epochs"]) == ("defaults", "4")
    assert [row["kept"] for row in trials].count("1") == 1


def test_the_stage_leaves_the_same_bytes_again(trained: Path, copy_of_trained: Path, run_command: Run) -> None:
    run_command("shotline", "stage", "ldc", cwd=copy_of_trained)

    assert tree_digest(copy_of_trained / "models/ldc") == tree_digest(trained / "models/ldc")


@pytest.mark.soak
def test_shipped_alone_on_grids_it_answers_photos(copy_of_trained: Path, run_command: Run) -> None:
    Workspace.find(copy_of_trained).set_parameters(
        {"classifier.heads": ["ldc"], "ldc.level_mode": "grid", "ldc.epochs": 3, "ldc.form": "compact"}
    )
    for stage in ("ldc", "classifier", "liteembed", "evaluate"):
        run_command("shotline", "stage", stage, cwd=copy_of_trained)
    photos = sorted((copy_of_trained / "data/raw/test").glob("*/*.jpg"))

    said = run_command("shotline", "classify", *photos, "--json", cwd=copy_of_trained).stdout

    bundle = Bundle.load(copy_of_trained / "models/bundle")
    assert (bundle.head.name, bundle.head.level_mode) == ("ldc", "grid")
    answers = [json.loads(line)["top"][0]["class"] for line in said.splitlines()]
    right = sum(answer == photo.parent.name for answer, photo in zip(answers, photos, strict=True)) / len(photos)
    metrics = json.loads((copy_of_trained / "reports/metrics.json").read_text())
    assert (
        "by what LDC started from -> by ldc" in (copy_of_trained / "reports/report.txt").read_text()
        or not metrics["confused"]
    )
    assert abs(right - metrics["shipped"]["top1"]) <= 0.1


def test_left_out_it_is_not_trained(copy_of_trained: Path, run_command: Run) -> None:
    Workspace.find(copy_of_trained).set_parameters({"classifier.heads": ["map_lr"]})

    said = run_command("shotline", "stage", "ldc", cwd=copy_of_trained).stderr

    assert "not among classifier.heads" in said
    assert load_candidates(copy_of_trained / "models/ldc") == []
