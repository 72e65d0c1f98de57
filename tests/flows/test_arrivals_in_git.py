"""An arrival is DVC's to keep: whatever git is told in between, the next train can track it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from components.bank import ArrivalPhotos, Ledger, LedgerEntry
from components.workspace import Workspace
from flows.pipeline import Pipeline
from tests.conftest import draw_photo


@pytest.mark.parametrize("ignored", ["as it is made", "", "/of/my/own\n", None])
def test_what_arrived_is_not_committed_to_git_and_dvc_can_track_it(
    make_workspace: Callable[[], Path], ignored: str | None
) -> None:
    root = make_workspace()
    if ignored is None:
        (root / "data/arrivals/.gitignore").unlink()
    elif ignored != "as it is made":  # by an earlier release
        (root / "data/arrivals/.gitignore").write_text(ignored)
    draw_photo(root / "data/raw/dent/1.jpg", 1)
    photo = ArrivalPhotos(root / "data/arrivals/photos").keep(b"a photo")
    ledger = Ledger(root / "data/arrivals/ledger.jsonl")
    with ledger.turn():
        ledger.append([LedgerEntry("add", "anna", "2026-01-01T00:00:00+00:00", "abc", name="rust", photos=(photo,))])

    git = ["git", "-C", str(root), "-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run([*git, "add", "--all"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "as people do"], check=True)
    Pipeline(Workspace(root)).track_sources()

    committed = subprocess.run([*git, "ls-files", "data"], capture_output=True, text=True, check=True).stdout.split()
    assert [path for path in committed if path.startswith("data/arrivals/") and "gitignore" not in path] == []
    assert (root / "data/arrivals/photos.dvc").is_file()
    assert (root / "data/arrivals/ledger.jsonl.dvc").is_file()
    own = (root / "data/arrivals/.gitignore").read_text().splitlines()
    assert ("/of/my/own" in own) == (ignored == "/of/my/own\n")
