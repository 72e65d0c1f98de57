"""A flow and `dvc repro` are two doors to the same pipeline, and neither records what it has not seen."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from components.errors import UserInputError
from components.workspace import Workspace, shipped
from flows.dvc import Pipeline
from flows.pipeline import run_stages
from tests.conftest import draw_photo
from tests.support.notes import Notes
from tests.support.stories import Run, tree_digest

STAGES = ("ingest", "validate", "features", "ldc", "classifier", "liteembed", "evaluate", "package")


@pytest.fixture(scope="module")
def reproduced(make_workspace: Callable[[], Path], run_command: Run, photo_folder: Path) -> Path:
    """Another clean workspace with the same photos and parameters, made by `dvc repro`."""
    workspace = make_workspace()
    shutil.copytree(photo_folder, workspace / "data/raw")
    Workspace.find(workspace).set_parameters({"ingest.shots": 4})
    run_command("dvc", "add", "data/raw", cwd=workspace)
    run_command("dvc", "repro", cwd=workspace)
    return workspace


def test_after_the_flow_dvc_has_nothing_to_do(trained: Path, run_command: Run) -> None:
    compiled = trained / "models/bento/src/components/__pycache__"  # as a Bento that was served has
    compiled.mkdir(exist_ok=True)
    (compiled / "errors.cpython-311.pyc").write_bytes(b"")
    assert "up to date" in run_command("dvc", "status", cwd=trained).stdout
    repro = run_command("dvc", "repro", cwd=trained).stdout
    assert [f"Stage '{name}' didn't change, skipping" in repro for name in STAGES] == [True] * len(STAGES)


@pytest.mark.soak
def test_changed_code_makes_a_new_bento_and_the_same_code_the_same_one(
    copy_of_trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace.find(copy_of_trained)
    shutil.rmtree(workspace.bento / "src/components/__pycache__", ignore_errors=True)  # another story's
    before = tree_digest(workspace.bento)
    monkeypatch.setattr(shipped, "shipped_digest", lambda: "1" * 64)

    ran = run_stages(workspace, Notes())

    assert [name for name, had_to in ran.items() if had_to] == ["package"]
    assert tree_digest(workspace.bento) == before


@pytest.mark.soak  # it takes a minute to make, a new process for each stage
def test_after_dvc_repro_the_flow_skips_every_stage(reproduced: Path, run_command: Run) -> None:
    said = run_command("shotline", "train", "--plain", cwd=reproduced).stderr

    assert [f"{name}: up to date" in said for name in STAGES] == [True] * len(STAGES)


@pytest.mark.soak
def test_clean_clones_by_prefect_without_it_and_by_repro_are_the_same(
    trained: Path, reproduced: Path, make_workspace: Callable[[], Path], run_command: Run, photo_folder: Path
) -> None:
    by_prefect = make_workspace()
    run_command("shotline", "train", photo_folder, "--shots", "4", cwd=by_prefect, env={"PREFECT_API_URL": ""})

    for other in (by_prefect, reproduced):
        assert tree_digest(trained / "models/bundle") == tree_digest(other / "models/bundle")
        assert (trained / "dvc.lock").read_text() == (other / "dvc.lock").read_text()


@pytest.mark.parametrize(
    ("stage", "folder"),
    [("ingest", "data/ingest"), pytest.param("classifier", "models/bundle", marks=pytest.mark.soak)],
)
def test_a_stage_that_dvc_repro_runs_leaves_what_the_flow_left(
    trained: Path, copy_of_trained: Path, run_command: Run, stage: str, folder: str
) -> None:
    shutil.rmtree(copy_of_trained / folder)
    (copy_of_trained / "dvc.lock").unlink()

    run_command("dvc", "repro", "--force", "--single-item", stage, cwd=copy_of_trained)

    assert tree_digest(copy_of_trained / folder) == tree_digest(trained / folder)
    ours, theirs = (yaml.safe_load((root / "dvc.lock").read_text())["stages"] for root in (copy_of_trained, trained))
    assert ours == {stage: theirs[stage]}


def test_a_photo_that_arrives_during_a_run_is_never_recorded_as_seen(copy_of_trained: Path, run_command: Run) -> None:
    draw_photo(copy_of_trained / "data/raw/train/red/early.jpg", 901)

    def photo_arrives(name: str) -> None:
        run_command("shotline", "stage", name, cwd=copy_of_trained)
        draw_photo(copy_of_trained / "data/raw/train/red/late.jpg", 902)

    with pytest.raises(UserInputError, match="changed while the stage ingest was running"):
        Pipeline(Workspace.find(copy_of_trained)).run("ingest", photo_arrives)

    status = json.loads(run_command("dvc", "status", "--json", cwd=copy_of_trained).stdout)
    assert {"changed deps": {"data/raw": "modified"}} in status["ingest"]


@pytest.mark.soak
def test_weights_of_ones_own_come_in_are_tracked_and_seen_to_change(
    copy_of_trained: Path, run_command: Run, tmp_path: Path
) -> None:
    shutil.copytree(copy_of_trained / "models/embedded", tmp_path / "mine")
    Workspace(copy_of_trained).set_parameters({"classifier.heads": ["zero_shot", "nearest_mean"]})

    run_command("shotline", "train", "--plain", "--backbone", tmp_path / "mine", cwd=copy_of_trained)

    assert "up to date" in run_command("dvc", "status", cwd=copy_of_trained).stdout
    assert json.loads((copy_of_trained / "reports/metrics.json").read_text())["backbone"] == "mine"
    assert (copy_of_trained / "models/checkpoints/mine.dvc").is_file()
    weights = copy_of_trained / "models/checkpoints/mine/open_clip_model.safetensors"
    weights.unlink()  # a link into DVC's cache, perhaps
    weights.write_bytes(b"other")
    status = json.loads(run_command("dvc", "status", "--json", cwd=copy_of_trained).stdout)
    assert {"changed deps": {"models/checkpoints": "modified"}} in status["features"]


@pytest.mark.soak
def test_a_pull_into_an_empty_clone_classifies_and_goes_on_with_an_empty_cache(
    copy_of_trained: Path, run_command: Run, tmp_path: Path, photo_folder: Path
) -> None:
    run_command("dvc", "remote", "add", "--default", "store", tmp_path / "remote", cwd=copy_of_trained)
    run_command("dvc", "push", cwd=copy_of_trained)
    for command in (
        ("add", "--all"),
        ("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "trained"),
    ):
        subprocess.run(["git", *command], cwd=copy_of_trained, check=True, capture_output=True)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(copy_of_trained), str(clone)], check=True)
    run_command("dvc", "pull", cwd=clone)
    photo = next((photo_folder / "test/red").iterdir())

    answer = json.loads(run_command("shotline", "classify", "--json", photo, cwd=clone).stdout)
    assert answer["top"][0]["class"] == "red"

    assert not (clone / "data/cache").exists()
    before = tree_digest(clone / "models/bundle")
    run_command("shotline", "stage", "classifier", cwd=clone)
    assert tree_digest(clone / "models/bundle") == before
