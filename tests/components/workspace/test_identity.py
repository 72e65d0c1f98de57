"""A workspace's identity outlives whatever leaves it the same workspace, and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.workspace import Workspace, identity
from tests.conftest import REPOSITORY


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "here/data").mkdir(parents=True)
    return tmp_path / "here"


def test_it_stays_and_goes_with_a_folder_that_is_moved(workspace: Path) -> None:
    identity = Workspace(workspace).identity

    assert len(identity) == 32
    assert Workspace(workspace).identity == identity
    moved = workspace.rename(workspace.with_name("there"))
    assert Workspace(moved).identity == identity


def test_a_copy_gets_its_own_and_the_original_keeps_its_own(workspace: Path) -> None:
    identity = Workspace(workspace).identity
    copy = Path(shutil.copytree(workspace, workspace.with_name("copy")))

    own = Workspace(copy).identity
    assert own != identity
    assert Workspace(copy).identity == own
    assert Workspace(workspace).identity == identity


def test_what_comes_back_from_a_backup_to_its_place_is_the_same(workspace: Path) -> None:
    identity = Workspace(workspace).identity
    broken = workspace.rename(workspace.with_name("broken"))  # kept, so that its file's number is not given again
    shutil.copytree(broken, workspace)

    assert Workspace(workspace).identity == identity


def test_who_is_second_takes_what_the_first_made(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first: list[str] = []
    fsync = identity.os.fsync

    def slow(descriptor: int) -> None:
        monkeypatch.setattr(identity.os, "fsync", fsync)
        first.append(Workspace(workspace).identity)  # another process, just before this one has its own in place

    monkeypatch.setattr(identity.os, "fsync", slow)

    assert Workspace(workspace).identity == first[0]


def test_those_that_ask_first_at_once_agree(workspace: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        found = set(pool.map(lambda _: Workspace(workspace).identity, range(64)))

    assert len(found) == 1
    assert [path.name for path in (workspace / "data").iterdir()] == [".workspace.json"]


@pytest.mark.parametrize("content", ["", "[]", json.dumps({"identity": "x"})])
def test_a_damaged_one_is_made_anew(workspace: Path, content: str) -> None:
    (workspace / "data/.workspace.json").write_text(content)

    assert len(Workspace(workspace).identity) == 32


def test_git_does_not_have_it() -> None:
    asked = subprocess.run(["git", "check-ignore", "--quiet", "data/.workspace.json"], cwd=REPOSITORY, check=False)

    assert asked.returncode == 0
