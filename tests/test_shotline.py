"""The door: what can be opened, what it says of what cannot, and that it loads no model by itself."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import shotline
from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from tests.support.drawn_rows import drawn_support
from tests.support.drawn_workspace import draw, run_stages, stand_in
from tests.support.saved_bundle import drawn_bundle


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """With a bundle that is live."""
    stand_in(monkeypatch.setattr)
    workspace = draw(tmp_path)
    run_stages(workspace)
    live = LiveWorkspace.open(workspace)
    live.changes.adopt(workspace.bundle, live.stamp())
    return workspace


def test_opening_and_looking_loads_no_model(workspace: Workspace) -> None:
    program = """
import shotline, sys
place = shotline.open(sys.argv[1])
print(len(place.versions()), [row["class"] for row in place.classes()])
print([name for name in ("torch", "pandas", "pyarrow", "bentoml", "prefect", "typer") if name in sys.modules])
"""
    command = [sys.executable, "-c", program, str(workspace.root)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert printed == ["1 ['cls_00', 'cls_01', 'cls_02', 'cls_03', 'cls_04']", "[]"]


def test_every_exported_name_is_there() -> None:
    assert sorted(shotline.__all__) == shotline.__all__
    assert all(getattr(shotline, name) is not None for name in shotline.__all__)


def test_what_cannot_be_opened_is_told(tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    file.write_text("{}")
    (tmp_path / "empty").mkdir()
    for path, told in (("nowhere", "no such folder"), (file, "no folder"), (tmp_path / "empty", "neither a workspace")):
        with pytest.raises(shotline.UserInputError, match=told) as refused:
            shotline.open(path)
        assert refused.value.remedy
    with pytest.raises(shotline.UserInputError, match="top is 0"):
        shotline.open(tmp_path, top=0)


def asked(place: shotline.Shotline) -> dict[str, Callable[[], Any]]:
    return {
        "add": lambda: place.add_class("tea", "a.jpg"),
        "remove": lambda: place.remove_class("tea"),
        "rollback": place.rollback,
        "versions": place.versions,
        "search": lambda: place.search("rust"),
        "metrics": place.metrics,
    }


@pytest.mark.parametrize("what", ["add", "remove", "rollback", "versions", "search", "metrics"])
def test_a_bundle_says_what_only_its_workspace_can(tmp_path: Path, what: str) -> None:
    drawn_bundle(drawn_support(3, shots=4), ["gda"], [])[0].save(tmp_path / "bundle")
    place = shotline.open(tmp_path / "bundle")
    with pytest.raises(shotline.UserInputError, match="no workspace") as refused:
        asked(place)[what]()
    assert "shotline.open(WORKSPACE)" in refused.value.remedy
    assert refused.value.on == str(tmp_path / "bundle")


def test_a_workspace_in_which_nothing_is_trained_says_so(tmp_path: Path) -> None:
    place = shotline.open(draw(tmp_path).root)
    for ask in (place.classes, place.metrics, *(asked(place)[each] for each in ("add", "remove", "rollback"))):
        with pytest.raises(shotline.UserInputError) as refused:
            ask()
        assert "train" in refused.value.remedy
