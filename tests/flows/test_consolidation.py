"""Consolidating step by step, on drawn bundles: what is there after each step, and after a kill at it."""

from __future__ import annotations

import multiprocessing
import signal
from pathlib import Path

import pytest

from components.errors import RefusedByGateError, UserInputError
from components.live import BundleVerdict, changes
from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from flows.consolidation import consolidate_classes
from flows.pipeline import walk
from tests.conftest import draw_photo
from tests.support import drawn_workspace
from tests.support.notes import Notes
from tests.support.stories import tree_digest


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Five classes are live, and rust beside them; a photo waits for one of the five."""
    drawn_workspace.stand_in(monkeypatch.setattr)
    workspace = drawn_workspace.draw(tmp_path)
    walk(workspace, Notes())
    live = LiveWorkspace.open(workspace)
    kept = []
    for number in range(3):
        draw_photo(tmp_path / "new.jpg", 90 + number, hue=220)
        kept.append(live.photos.keep((tmp_path / "new.jpg").read_bytes()))
    live.changes.add({"rust": kept[:2], "cls_00": kept[2:]}, live.stamp(), force=True)
    return workspace


def test_what_was_added_and_what_waits_is_trained_on(workspace: Workspace) -> None:
    live = LiveWorkspace.open(workspace)
    before = live.versions.current()
    assert before is not None

    outcome = consolidate_classes(workspace, (), Notes())

    assert outcome["classes"] == {"rust": 2, "cls_00": 1}
    assert (outcome["before"], outcome["version"]) == (before.name, live.versions.current_name())
    assert "rust: trained, photos more: 2" in outcome["told"]
    assert f"back: shotline rollback {before.name}" in outcome["told"]
    assert sorted(tree_digest(workspace.raw)) == sorted(
        [f"cls_{label:02}/{number}.jpg" for label in range(5) for number in range(2)]
        + [f"{entry.name}/{photo}.jpg" for entry in live.ledger.entries()[:2] for photo in entry.photos]
    )
    assert not live.consolidation.unsettled
    assert consolidate_classes(workspace, (), Notes())["told"][0] == "there is nothing to consolidate"


def test_only_what_is_named_is_consolidated(workspace: Workspace) -> None:
    assert consolidate_classes(workspace, ["cls_00"], Notes())["classes"] == {"cls_00": 1}
    live = LiveWorkspace.open(workspace)
    assert [*live.changes.to_consolidate((), live.stamp())] == ["rust"]
    before = tree_digest(workspace.root)
    with pytest.raises(UserInputError, match="no photos wait for it"):
        consolidate_classes(workspace, ["nobody"], Notes())
    assert tree_digest(workspace.root) == before


@pytest.mark.parametrize("error", [RefusedByGateError, OSError, KeyboardInterrupt])
def test_refused_or_failed_all_is_as_it_was(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    before = tree_digest(workspace.root)

    def judge(*_: object) -> BundleVerdict:
        if error is RefusedByGateError:
            return BundleVerdict(9, 1.0, 0.5, ("worse",))
        raise error

    monkeypatch.setattr(changes, "judge_bundle", judge)
    with pytest.raises(error):
        consolidate_classes(workspace, (), Notes())

    after = tree_digest(workspace.root)
    if error is not RefusedByGateError:  # the stages do not run again: what went wrong may be theirs
        before, after = (
            {name: each for name, each in found.items() if "models/bundle" not in name} for found in (before, after)
        )
    assert after == before
    if error is RefusedByGateError:
        consolidate_classes(workspace, (), Notes(), force=True)
        assert [entry.forced for entry in LiveWorkspace.open(workspace).ledger.entries()[2:]] == [True, True]


@pytest.mark.parametrize("then", ["consolidate", "train"])
@pytest.mark.parametrize("point", drawn_workspace.POINTS)
def test_killed_at_any_step_nothing_is_lost_and_a_rerun_completes(workspace: Workspace, point: str, then: str) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.support.drawn_workspace"])
    live = LiveWorkspace.open(workspace)
    photos, pointer = tree_digest(workspace.raw), live.versions.pointer()

    process = context.Process(target=drawn_workspace.killed, args=(workspace.root, point))
    process.start()
    process.join(120)

    assert process.exitcode == -signal.SIGKILL
    counts = point == "the pointer has moved"
    assert (live.versions.pointer() == pointer) is not counts
    if then == "train":  # takes back what does not count, and keeps what does
        reporter = Notes()
        walk(workspace, reporter)
        assert reporter.notes[0].endswith("completed" if counts else "taken back")
        assert (tree_digest(workspace.raw) == photos) is not counts
        assert live.versions.pointer() == pointer or counts
    told = consolidate_classes(workspace, (), Notes(), force=True)["told"]
    assert ("what was cut off is completed" in told) is (counts and then == "consolidate")

    assert len(tree_digest(workspace.raw)) == len(photos) + 3
    assert [entry.action for entry in live.ledger.entries()] == ["add", "add", "consolidate", "consolidate"]
    version = live.versions.current()
    assert version is not None
    bundle, bank = live.versions.load(version)
    assert ("rust" in bundle.class_names, len(bank)) == (True, 0)
    assert live.changes.to_consolidate((), live.stamp()) == {}
    assert not live.consolidation.unsettled
    assert live.versions.not_live(workspace.bundle) is None


def test_training_tells_what_it_did_to_what_was_live_and_refuses_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_photo(workspace.raw / "knot/1.jpg", 200)
    monkeypatch.setattr(changes, "judge_bundle", lambda *_: BundleVerdict(20, 0.9, 0.5, ("it is worse",)))
    before = LiveWorkspace.open(workspace).versions.current_name()
    reporter = Notes()

    walk(workspace, reporter)

    version = LiveWorkspace.open(workspace).versions.current()
    assert version is not None
    assert version.classes == ("rust",)
    assert reporter.notes == [
        f"live: {version.name}",
        "of 20 held-out photos of the classes that both know, 90.0 % were found before and 50.0 % are now (mean over classes)",
        "beware: it is worse",
        f"back: shotline rollback {before}",
    ]
