"""What a Bento carries, and how a workspace learns that it has changed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from components.workspace import Workspace, init_workspace, shipped, stage_changes, upgrade_workspace
from components.workspace.shipped import keep_digest, kept_digest, shipped_digest, shipped_files
from tests.conftest import REPOSITORY


def test_what_is_carried_is_code_and_pages_and_nothing_else() -> None:
    files = [path.as_posix() for path in shipped_files()]

    assert len(files) == len(set(files)) > 100
    assert {"components/errors.py", "components/serving/service.py", "components/look/look.css"} <= set(files)
    assert not [path for path in files if "__pycache__" in path or "/template/" in path]


def test_the_digest_changes_with_any_byte_and_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in shipped.SHIPPED_ROOMS:
        (tmp_path / "components" / room).mkdir(parents=True)
    (tmp_path / "components/live/gate.py").write_text("a")
    monkeypatch.setattr(shipped, "_COMPONENTS", tmp_path / "components")
    digest = shipped_digest.__wrapped__
    first = digest()
    (tmp_path / "components/live/__pycache__").mkdir()
    (tmp_path / "components/live/__pycache__/gate.pyc").write_bytes(b"compiled")
    assert digest() == first
    (tmp_path / "components/live/gate.py").write_text("b")
    changed = digest()
    (tmp_path / "components/live/gate.py").rename(tmp_path / "components/live/gates.py")
    assert len({first, changed, digest()}) == 3


def test_a_new_workspace_knows_its_code_and_an_older_one_learns_it(tmp_path: Path) -> None:
    place = init_workspace(tmp_path / "place", scm=False).workspace
    assert kept_digest(place.root) == shipped_digest()
    assert stage_changes(place) == []

    (place.root / "shipped.yaml").write_text(f"code: {'0' * 64}\n")
    assert [change.told for change in upgrade_workspace(place)] == [
        "package: the code that it ships is another one in this Shotline"
    ]
    assert kept_digest(place.root) == shipped_digest()
    assert not keep_digest(place.root)

    (place.root / "shipped.yaml").unlink()  # a workspace of an early Shotline
    assert [change.stage for change in stage_changes(Workspace(place.root))] == ["package"]
    assert keep_digest(place.root)


def test_dvc_reads_the_digest_for_the_stage_that_ships_the_code() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]

    assert [name for name, stage in stages.items() if {"shipped.yaml": ["code"]} in stage["params"]] == ["package"]
