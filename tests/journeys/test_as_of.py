"""`train --as-of` makes an earlier day's bundle again, bit for bit, whatever has arrived since."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from components.live import Versions
from components.workspace import Workspace
from tests.conftest import draw_photo

Run = Callable[..., subprocess.CompletedProcess[str]]


def now() -> str:
    return datetime.now(UTC).isoformat()


def digest(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.soak
def test_each_days_bundle_comes_back_bit_for_bit(
    make_workspace: Callable[[], Path], run_command: Run, tmp_path: Path
) -> None:
    root = make_workspace()
    for label in range(4):
        for number in range(6):
            draw_photo(tmp_path / f"photos/class {label}/{number}.jpg", 10 * label + number, hue=50 * label)
    for number in range(4):
        draw_photo(tmp_path / f"rust/{number}.jpg", 100 + number, hue=220, size=(80, 80))
        draw_photo(tmp_path / f"unsorted/{number}.jpg", 200 + number, hue=10, size=(90, 70))

    def as_of(time: str) -> tuple[dict[str, Any], dict[str, bytes]]:
        told = json.loads(run_command("shotline", "train", "--as-of", time, "--json", cwd=root).stdout)
        return told, digest(root / told["folder"] / "bundle")

    run_command("shotline", "train", tmp_path / "photos", "--plain", cwd=root)
    first, times = digest(root / "models/bundle"), [now()]
    assert as_of(times[0])[1] == first

    run_command("shotline", "add-class", "rust", tmp_path / "rust", "--force", cwd=root)
    with_rust = Versions(Workspace(root).live).current_name()
    run_command("shotline", "pool", "add", tmp_path / "unsorted", cwd=root)
    times.append(now())
    run_command("shotline", "consolidate", "--plain", "--force", cwd=root)
    second = digest(root / "models/bundle")
    times.append(now())
    run_command("shotline", "add-class", "dent", tmp_path / "unsorted", "--force", cwd=root)
    live = (root / "models/live/current.json").read_bytes()

    found = [as_of(time) for time in times]
    assert found[0][1] == first
    assert found[0][0]["added"] == []
    assert found[1][0]["added"] == ["rust"]
    assert found[2][1] == second != first
    assert found[2][0]["added"] == []
    assert as_of(times[1])[0] | {"live": ""} == found[1][0] | {"live": ""}
    assert found[0][0]["live"] == Versions(Workspace(root).live).all()[0].name
    # the photos of the pool had come by then, and training learns from them
    assert found[1][0]["live"] in ("", with_rust)
    assert (root / "models/live/current.json").read_bytes() == live
    assert digest(root / "models/bundle") == second
    assert "no photo was known" in run_command("shotline", "train", "--as-of", "2025-12-31", cwd=root, expect=2).stderr
