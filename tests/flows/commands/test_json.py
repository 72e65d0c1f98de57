"""What commands tell programs: one JSON object per line on standard output, and nothing else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from components.files import write_json
from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from flows.cli import main
from tests.conftest import REPOSITORY
from tests.support.drawn_workspace import draw, run_stages, stand_in

Say = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """With a bundle that is live, and an older one of a class fewer."""
    stand_in(monkeypatch.setattr)
    workspace = draw(tmp_path)
    (tmp_path / "params.yaml").write_text("feature_store: {online: false}\n", encoding="utf-8")
    for folder in (None, "shelf"):
        if folder:
            (workspace.raw / folder).mkdir()
        run_stages(workspace)
        live = LiveWorkspace.open(workspace)
        live.changes.adopt(workspace.bundle, live.stamp())
    monkeypatch.chdir(tmp_path)
    return Workspace(tmp_path)


@pytest.fixture
def say(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> Say:
    """Runs a command with `--json` in the workspace; what it printed, a line each."""

    def said(*arguments: str) -> list[dict[str, Any]]:
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main([*arguments, "--json"])
        assert not end.value.code
        return [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    return said


def test_versions_and_how_two_differ(workspace: Workspace, say: Say) -> None:
    older, newer = LiveWorkspace(workspace).versions.all()

    listed = say("versions")
    assert [each.keys() for each in listed] == [{"version", "in_use", "bundle", "made", "added"}] * 2
    assert [(each["version"], each["in_use"], each["added"]) for each in listed] == [
        (older.name, False, []),
        (newer.name, True, []),
    ]

    bundle, added = say("diff", older.name, newer.name)
    assert bundle == {"change": "bundle", "before": older.bundle, "after": newer.bundle}
    assert added == {"change": "added", "class": "shelf", "kind": "trained", "photos": 4}
    assert say("diff", newer.name, older.name)[1] == {"change": "removed", "class": "shelf"}
    assert say("diff", newer.name, newer.name) == []


def test_training_says_what_is_live_and_where_the_metrics_are(
    workspace: Workspace, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.commands.training._check_own_backbone", lambda place: None)  # nothing is encoded here
    shutil.copy(REPOSITORY / "versions.yaml", workspace.root)
    write_json(workspace.reports / "metrics.json", {"version": 1})
    (workspace.raw / "lamp").mkdir()

    [result] = say("train", "--plain")

    live = LiveWorkspace(workspace).versions.in_use()
    assert result == {
        "version": live.name,
        "bundle": "models/bundle",
        "metrics": "reports/metrics.json",
        "metrics_version": 1,
    }
    assert "lamp" in [row["class"] for row in say("classes")]
