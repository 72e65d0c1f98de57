"""Added classes become trained ones, if the gate lets them, and whatever happens on the way nothing is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tenacity

from components.errors import RefusedByGateError
from components.live import BundleVerdict, changes
from components.live.arrivals import add
from components.live.opening import LiveWorkspace
from components.serving.answers import Answer, PhotoClassifier
from components.workspace import Workspace
from flows.consolidation import consolidate_classes
from flows.pipeline import run_stages, walk
from tests.conftest import draw_photo
from tests.support.notes import Notes
from tests.support.stories import CLASSES, Run, tree_digest

QUICK_HEADS = ["zero_shot", "nearest_mean", "gda"]


@pytest.fixture
def added(copy_of_trained: Path, tmp_path: Path) -> Workspace:
    """The trained workspace, with an added class, teal, and a photo that waits for the class red."""
    for number in range(4):
        draw_photo(tmp_path / "teal" / f"{number}.jpg", 900 + number, hue=128)
    draw_photo(tmp_path / "more.jpg", 950, hue=200)
    workspace = Workspace.find(copy_of_trained)
    workspace.set_parameters({"classifier.heads": QUICK_HEADS})
    add(workspace, {"teal": [tmp_path / "teal"], "red": [tmp_path / "more.jpg"]})
    return workspace


@pytest.fixture
def workspace(added: Workspace) -> Workspace:
    """The same, trained with the heads that it names."""
    walk(added, Notes())
    return added


def sources(workspace: Workspace) -> dict[str, object]:
    """What only a consolidation that passed may change."""
    return {
        "photos": tree_digest(workspace.raw),
        "ledger": tree_digest(workspace.arrivals),
        "lock": (workspace.root / "dvc.lock").read_text(),
        "bundle": tree_digest(workspace.bundle),
        "pointer": (workspace.live / "current.json").read_text(),
    }


@tenacity.retry(
    stop=tenacity.stop_after_delay(300), wait=tenacity.wait_fixed(0.01), retry=tenacity.retry_if_result(bool)
)
def not_yet_training(workspace: Workspace, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None
    return len(list(workspace.raw.glob("train/teal/*.jpg"))) < 4


@pytest.mark.soak  # tests/flows/test_consolidation.py takes each step of it on drawn bundles
def test_classes_are_consolidated_and_nothing_is_lost_on_the_way(
    workspace: Workspace, run_command: Run, photo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LiveWorkspace.open(workspace)
    before, old = sources(workspace), live.versions.current()
    assert old is not None

    # killed while it trains: what it copied is taken back by who comes next, and the old version answers meanwhile
    command = [str(Path(sys.executable).parent / "shotline"), "consolidate", "--plain"]
    with subprocess.Popen(command, cwd=workspace.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        not_yet_training(workspace, process)
        process.kill()
    assert sources(workspace)["pointer"] == before["pointer"]
    assert live.consolidation.unsettled

    # refused: everything is as it was
    refusing = BundleVerdict(9, 1.0, 0.5, ("the classes would lose 50.0 % of their photos",))
    with monkeypatch.context() as patch:
        patch.setattr(changes, "judge_bundle", lambda *_: refusing)
        with pytest.raises(RefusedByGateError, match=r"lose 50\.0 %"):
            consolidate_classes(workspace, (), Notes())
    assert sources(workspace) == before

    # it passes: trained classes now, which DVC has recorded
    draw_photo(tmp_path / "query.jpg", 990, hue=128)
    photos = [tmp_path / "query.jpg", *(next((photo_folder / "test" / name).iterdir()) for name in CLASSES)]
    outcome, classifier = consolidate(workspace, photos)
    assert "up to date" in run_command("dvc", "status", cwd=workspace.root).stdout
    assert "nothing to consolidate" in consolidate_classes(workspace, (), Notes())["told"][0]

    # a rollback over it: the old bundle with its added class; training again brings back what data/raw holds
    assert live.changes.roll_back(live.stamp()).version == old
    assert classifier.follow()
    assert [row["class"] for row in classifier.classes() if row["kind"] == "added"] == ["teal"]
    walk(workspace, Notes())
    assert live.versions.current_name() == outcome["version"]


def consolidate(workspace: Workspace, photos: list[Path]) -> tuple[dict[str, Any], PhotoClassifier]:
    """What is told, and what answers then: the photos, of teal and of each class, are known."""
    outcome = consolidate_classes(workspace, (), Notes())
    assert outcome["classes"] == {"teal": 4, "red": 1}
    classifier = PhotoClassifier.load(workspace.models)
    answers = [answer.top[0].class_name for answer in classifier.answer(photos) if isinstance(answer, Answer)]
    assert answers == ["teal", *CLASSES]
    assert {row["kind"] for row in classifier.classes()} == {"trained"}
    assert len(list(workspace.raw.glob("train/teal/*.jpg"))) == 4
    entries = LiveWorkspace.open(workspace).ledger.entries()
    assert [entry.action for entry in entries] == ["add", "add", "consolidate", "consolidate"]
    return outcome, classifier


@pytest.mark.soak
def test_added_classes_become_trained_ones_that_dvc_has_recorded(
    added: Workspace, run_command: Run, photo_folder: Path, tmp_path: Path
) -> None:
    draw_photo(tmp_path / "query.jpg", 990, hue=128)
    consolidate(added, [tmp_path / "query.jpg", *(next((photo_folder / "test" / name).iterdir()) for name in CLASSES)])
    assert "up to date" in run_command("dvc", "status", cwd=added.root).stdout


@pytest.mark.soak
def test_what_dvc_repro_leaves_is_told_and_can_be_published(
    copy_of_trained: Path, run_command: Run, photo_folder: Path
) -> None:
    workspace = Workspace.find(copy_of_trained)
    photo = next((photo_folder / "test/red").iterdir())
    live = LiveWorkspace.open(workspace).versions.current_name()
    workspace.set_parameters({"classifier.heads": QUICK_HEADS})
    run_stages(workspace, Notes())  # as `dvc repro` does

    asked = run_command("shotline", "classify", "--json", photo, cwd=copy_of_trained)
    assert "is not live" in asked.stderr
    assert json.loads(asked.stdout)["bank"] == live

    told = run_command("shotline", "publish", cwd=copy_of_trained).stdout
    assert "held-out photos" in told
    assert f"shotline rollback {live}" in told
    versions = LiveWorkspace.open(workspace).versions
    assert versions.current_name() != live
    assert versions.not_live(workspace.bundle) is None
