"""Encoding photos is done once, and survives being killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from components.workspace import Workspace
from tests.conftest import draw_photo
from tests.journeys.conftest import Run, tree_digest


@pytest.fixture(scope="module")
def ingested(make_workspace: Callable[[], Path], run_command: Run) -> Path:
    """A workspace with 300 photos of two classes, validated and not encoded."""
    workspace = make_workspace()
    for number in range(300):
        draw_photo(workspace / f"data/raw/class_{number % 2}/{number:03d}.jpg", number, size=(320, 240))
    Workspace.find(workspace).set_parameters({"ingest.shots": 0, "features.views": 2})
    for stage in ("ingest", "validate"):
        run_command("shotline", "stage", stage, cwd=workspace)
    return workspace


def test_killed_in_the_middle_and_run_again_the_features_are_those_of_an_undisturbed_run(
    ingested: Path, tmp_path: Path, run_command: Run
) -> None:
    undisturbed = Path(shutil.copytree(ingested, tmp_path / "undisturbed", symlinks=True))
    run_command("shotline", "stage", "features", cwd=undisturbed)

    killed = Path(shutil.copytree(ingested, tmp_path / "killed", symlinks=True))
    process = subprocess.Popen(
        [Path(sys.executable).parent / "shotline", "stage", "features"], cwd=killed, stderr=subprocess.DEVNULL
    )
    cache = killed / "data/cache"
    deadline = time.monotonic() + 120
    while not (cache.is_dir() and any(not path.name.startswith(".") for path in cache.iterdir())):
        assert process.poll() is None, "the stage ended before it wrote a shard"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (killed / "data/features/embeddings.parquet").exists()
    survived = {path.name for path in cache.iterdir() if not path.name.startswith(".")}
    run_command("shotline", "stage", "features", cwd=killed)

    facts = json.loads((killed / "reports/timings.json").read_text())["features"]
    assert 0 < facts["encoded"] < facts["views"] == 900
    assert tree_digest(killed / "data/features") == tree_digest(undisturbed / "data/features")
    assert survived <= {path.name for path in cache.iterdir()}


def test_a_second_run_encodes_nothing_and_one_changed_photo_is_one_forward(
    ingested: Path, tmp_path: Path, run_command: Run
) -> None:
    workspace = Path(shutil.copytree(ingested, tmp_path / "workspace", symlinks=True))
    Workspace.find(workspace).set_parameters({"features.views": 0})

    def encoded() -> int:
        run_command("shotline", "stage", "features", cwd=workspace)
        facts = json.loads((workspace / "reports/timings.json").read_text())["features"]
        assert facts["views"] == 300
        return int(facts["encoded"])

    assert encoded() == 300
    assert encoded() == 0

    draw_photo(workspace / "data/raw/class_0/000.jpg", 12345, size=(320, 240))
    for stage in ("ingest", "validate"):
        run_command("shotline", "stage", stage, cwd=workspace)
    assert encoded() == 1
