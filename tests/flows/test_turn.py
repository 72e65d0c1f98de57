"""Two at once in a workspace: the second changes nothing, whatever it was to do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.errors import UserInputError
from components.workspace import PASSED_ON, Workspace, turn
from tests.conftest import REPOSITORY, draw_photo
from tests.support import drawn_workspace
from tests.support.stories import Run, tree_digest

HOLD = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Photos of five classes, and others beside it."""
    root = tmp_path / "workspace"
    root.mkdir()
    workspace = drawn_workspace.draw(root)
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    (root / "models").mkdir()
    (root / "models/embedded").symlink_to(REPOSITORY / "models/embedded")
    for name in ("red", "green"):
        draw_photo(tmp_path / "others" / name / "0.jpg", len(name))
    return workspace


@pytest.fixture
def another(workspace: Workspace) -> Iterator[subprocess.Popen[str]]:
    """A process that is at work in the workspace, as a training is that waits for a stage."""
    lock = workspace.root / "data/.consolidation.lock"
    command = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


COMMANDS = [
    ("train", "OTHERS", "--replace", "--plain"),
    ("train", "OTHERS", "--replace", "--plain", "--shots", "3", "--seed", "9"),
    ("train", "--plain", "--shots", "3"),
    ("train", "--plain"),
    ("consolidate", "--plain"),
    ("stage", "ingest"),  # `dvc repro` from outside
    ("publish",),
]


@pytest.mark.usefixtures("another")
def test_what_comes_while_another_is_at_work_is_refused_before_it_touches_anything(
    workspace: Workspace, run_command: Run
) -> None:
    others = workspace.root.with_name("others")
    before = tree_digest(workspace.root)
    for command in COMMANDS:
        given = [str(others) if part == "OTHERS" else part for part in command]
        said = run_command("shotline", *given, cwd=workspace.root, expect=2).stderr
        assert "is at work here; nothing was changed" in said, command
        assert tree_digest(workspace.root) == before, command


def test_a_killed_process_blocks_nobody_and_whoever_is_waited_for_goes_on(
    workspace: Workspace, another: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserInputError), workspace.turn():
        pass
    monkeypatch.setenv(PASSED_ON, str(workspace.root / "data/.consolidation.lock"))
    with workspace.turn():
        pass
    with turn(workspace.root / "data/other.lock"):
        pass
    monkeypatch.delenv(PASSED_ON)

    another.kill()
    another.wait()

    with workspace.turn(), workspace.turn():
        pass
