"""The benchmarks' own bars: what the README claims of speed and accuracy, measured again. Part of `make soak`."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import REPOSITORY
from tests.support.stories import Run

pytestmark = pytest.mark.soak


@pytest.fixture
def measure(run_command: Run) -> Any:
    """What a benchmark prints with --json."""

    def run(name: str, *arguments: str | Path) -> Any:
        command = (sys.executable, REPOSITORY / "benchmarks" / name, *arguments, "--json")
        return json.loads(
            run_command(*command, cwd=REPOSITORY, env={"PYTHONPATH": str(REPOSITORY)}, timeout_s=1800).stdout
        )

    return run


def test_extraction_keeps_up_with_a_bare_loop_and_a_second_run_does_no_work(
    measure: Any, run_command: Run, tmp_path: Path
) -> None:
    run_command("shotline", "sample", tmp_path / "photos", cwd=tmp_path)

    found = measure("extraction.py", tmp_path / "photos", "--images", "400")

    assert found["of_bare_loop"] >= 0.85
    assert found["second_run_faster"] >= 50


def test_prefect_costs_little_more_than_an_empty_flow(measure: Any, copy_of_trained: Path) -> None:
    seconds = measure("flow_overhead.py", copy_of_trained)

    assert seconds["with_a_server"] - seconds["plain"] <= 2
    assert seconds["temporary_server"] - seconds["plain"] <= 1.2 * seconds["empty_flow"] + 2


def test_a_hundred_thousand_photos_are_searched_in_50_ms(measure: Any) -> None:
    found = measure("search.py", "--rows", "100000", "--width", "512")

    assert found["search_ms"] <= 50
    assert found["read_memory_of_rows"] <= 1.3


def test_map_lr_on_a_real_clip_s_embeddings(measure: Any) -> None:
    folder = os.environ.get("SHOTLINE_CLIP_FEATURES")
    if folder is None:
        pytest.skip("SHOTLINE_CLIP_FEATURES names no folder with embeddings of a real CLIP")
    assert Path(folder).is_dir(), f"SHOTLINE_CLIP_FEATURES is {folder}, which is no folder"

    rows = measure("heads_real_clip.py", "--features", folder, "--heads", "map_lr", "--shots", "4", "16")

    top1 = {
        (row["generic_covariance"], row["shots"]): row["top1"]
        for row in rows["means"]
        if not row["text"] and row["head"] == "map_lr"
    }
    assert top1[True, 4] >= 87.0
    assert top1[True, 16] >= 92.5
    assert top1[False, 4] >= 86.0
    assert top1[False, 16] >= 92.2
