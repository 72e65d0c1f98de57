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
from tests.support.stories import Run, tree_digest


@pytest.fixture(scope="module")
def ingested(make_workspace: Callable[[], Path], run_command: Run) -> Path:
    """A workspace with 600 photos of two classes, validated and not encoded."""
    workspace = make_workspace()
    for number in range(600):
        draw_photo(workspace / f"data/raw/class_{number % 2}/{number:03d}.jpg", number, size=(320, 240))
    Workspace.find(workspace).set_parameters({"ingest.shots": 0})
    for stage in ("ingest", "validate"):
        run_command("shotline", "stage", stage, cwd=workspace)
    return workspace


@pytest.mark.soak
def test_features_are_made_once_also_when_their_making_is_killed(
    ingested: Path, tmp_path: Path, run_command: Run
) -> None:
    def facts(workspace: Path) -> dict[str, int]:
        run_command("shotline", "stage", "features", cwd=workspace)
        return dict(json.loads((workspace / "reports/timings.json").read_text())["features"])

    undisturbed = Path(shutil.copytree(ingested, tmp_path / "undisturbed", symlinks=True))
    assert facts(undisturbed)["encoded"] == 600
    made = tree_digest(undisturbed / "data/features")

    killed = Path(shutil.copytree(ingested, tmp_path / "killed", symlinks=True))
    _kill_when_a_shard_is_there(killed)
    assert not (killed / "data/features/embeddings.parquet").exists()
    again = facts(killed)
    assert 0 < again["encoded"] < again["views"] == 600
    assert tree_digest(killed / "data/features") == made

    assert facts(undisturbed)["encoded"] == 0
    assert tree_digest(undisturbed / "data/features") == made


def test_one_changed_photo_costs_one_forward(trained: Path, tmp_path: Path, run_command: Run) -> None:
    workspace = Path(shutil.copytree(trained, tmp_path / "workspace", symlinks=True))
    draw_photo(workspace / "data/raw/test/red/08.jpg", 12345)

    for stage in ("ingest", "validate", "features"):
        run_command("shotline", "stage", stage, cwd=workspace)

    facts = json.loads((workspace / "reports/timings.json").read_text())["features"]
    assert (facts["encoded"], facts["views"]) == (1, 40)


def _kill_when_a_shard_is_there(workspace: Path) -> None:
    cache = workspace / "data/cache"
    process = subprocess.Popen(
        [Path(sys.executable).parent / "shotline", "stage", "features"], cwd=workspace, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 120
    while not (cache.is_dir() and any(not path.name.startswith(".") for path in cache.iterdir())):
        assert process.poll() is None, "the stage ended before it wrote a shard"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
