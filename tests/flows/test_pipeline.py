"""The walk over dvc.yaml, on a pipeline of two stages that copy a file."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo
from dvc.stage import PipelineStage

from components.errors import UserInputError
from components.workspace import Workspace
from flows import dvc
from flows.dvc import Pipeline
from tests.support.stories import Run

PIPELINE = """
stages:
  first: {cmd: cp raw one, deps: [raw], outs: [one]}
  second: {cmd: cp one two, deps: [one], outs: [two]}
"""


@pytest.fixture
def workspace(tmp_path: Path, run_command: Run) -> Workspace:
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    (tmp_path / "params.yaml").write_text("{}\n")
    (tmp_path / "raw").write_text("red")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    run_command("dvc", "init", "--quiet", cwd=tmp_path)
    return Workspace(tmp_path)


def walk(workspace: Workspace) -> list[str]:
    """Take both stages; the names of those that were executed."""
    executed: list[str] = []
    source = {"first": "raw", "second": "one"}
    target = {"first": "one", "second": "two"}

    def execute(name: str) -> None:
        executed.append(name)
        shutil.copy(workspace.root / source[name], workspace.root / target[name])

    stages = Pipeline(workspace)
    assert [stages.run(stage.name, execute) for stage in stages.stages()] == [
        name in executed for name in ("first", "second")
    ]
    return executed


def test_what_changed_runs_and_what_did_not_is_skipped(workspace: Workspace, run_command: Run) -> None:
    assert walk(workspace) == ["first", "second"]
    assert walk(workspace) == []

    (workspace.root / "raw").write_text("green")
    assert walk(workspace) == ["first", "second"]
    assert (workspace.root / "two").read_text() == "green"
    assert "up to date" in run_command("dvc", "status", cwd=workspace.root).stdout


def test_what_was_run_before_on_the_same_inputs_is_restored(workspace: Workspace) -> None:
    walk(workspace)
    (workspace.root / "raw").write_text("green")
    walk(workspace)

    (workspace.root / "raw").write_text("red")
    assert walk(workspace) == []
    assert (workspace.root / "two").read_text() == "red"


def test_links_that_lead_out_of_the_photos_are_kept_out_of_dvc(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    photos = workspace.root / "data/raw/red [1]"
    photos.mkdir(parents=True)
    (photos / "photo.jpg").write_text("photo")
    (photos / "out #1!.jpg").symlink_to(tmp_path / "secret.txt")
    (photos / "broken.jpg").symlink_to("nothing.jpg")
    (workspace.root / "models").mkdir()
    stages = Pipeline(workspace)

    stages.track_sources()
    tracked = (workspace.root / "data/raw.dvc").read_text()
    assert "nfiles: 1" in tracked
    assert "size: 5" in tracked

    (photos / "broken.jpg").unlink()
    (photos / "out #1!.jpg").unlink()
    stages.track_sources()
    assert not (workspace.root / "data/.dvcignore").exists()
    assert (workspace.root / "data/raw.dvc").read_text() == tracked


def test_what_changes_while_outputs_are_restored_is_not_recorded(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk(workspace)
    (workspace.root / "raw").write_text("green")
    walk(workspace)
    (workspace.root / "raw").write_text("red")

    def restore_and_change(repo: Repo, stage: PipelineStage) -> bool:
        restored = real(repo, stage)
        (workspace.root / "raw").write_text("blue!")
        return restored

    real = dvc._restored
    monkeypatch.setattr(dvc, "_restored", restore_and_change)
    with pytest.raises(UserInputError, match="changed while the stage first was running"):
        walk(workspace)


def test_a_stage_that_fails_is_not_recorded_and_runs_again(workspace: Workspace) -> None:
    def fail(name: str) -> None:
        raise UserInputError("no", on=name, remedy="try again")

    with pytest.raises(UserInputError, match="no"):
        Pipeline(workspace).run("first", fail)

    assert not (workspace.root / "dvc.lock").exists()
    assert walk(workspace) == ["first", "second"]


def test_a_folder_without_dvc_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "dvc.yaml").write_text(PIPELINE)
    with pytest.raises(UserInputError, match="no DVC repository"):
        Pipeline(Workspace(tmp_path)).stages()
