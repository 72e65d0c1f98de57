"""Shotline installed from its wheel, in a folder of a person's own: no repository, no git, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import shotline
from components.workspace import Workspace
from components.workspace.shipped import shipped_digest
from tests.conftest import REPOSITORY, STORY_HEADS, draw_photo
from tests.support.served_workspace import serving

MOST_BYTES = 60_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = ["build", "--quiet", "--wheel", "--no-build-isolation", "--python", sys.executable, "--out-dir", folder]
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, *command, REPOSITORY], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@dataclass(frozen=True)
class Installed:
    """An environment that holds the wheel, and of this one the libraries alone.

    Attributes:
        programs: its folder of programs.
        variables: of a process in it.
    """

    programs: Path
    variables: Mapping[str, str]

    def __call__(self, *command: str | Path, cwd: Path, expect: int = 0) -> str:
        """Run a program of it; returns what it prints."""
        done = subprocess.run(
            [str(part) for part in command], cwd=cwd, env=self.variables, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == expect, f"{command} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, symlinks=True)
    python = environment / "bin/python"
    uv = Path(sys.executable).with_name("uv")
    install = [uv, "pip", "install", "--quiet", "--no-deps", "--python", python, wheel]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = environment.glob("lib/python*/site-packages")
    # Its .pth files are not read from there: what is installed in development mode here is not seen.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables["PATH"] = (
        f"{environment / 'bin'}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    )
    variables["HF_HUB_OFFLINE"] = "1"
    return Installed(environment / "bin", variables)


def test_the_wheel_is_small_enough_and_says_its_version(wheel: Path, installed: Installed, tmp_path: Path) -> None:
    assert wheel.stat().st_size <= MOST_BYTES
    assert installed("shotline", "--version", cwd=tmp_path).startswith("shotline ")
    door = installed("python", "-c", "import shotline; print(shotline.__file__)", cwd=tmp_path)
    assert "site-packages" in door
    told = "from components.workspace.shipped import shipped_digest; print(shipped_digest())"
    assert installed("python", "-c", told, cwd=tmp_path).strip() == shipped_digest()  # the same Bento from either


@pytest.mark.soak
def test_everything_works_in_a_folder_of_ones_own(installed: Installed, tmp_path: Path) -> None:
    installed("shotline", "init", "mine", "--no-scm", cwd=tmp_path)
    mine = tmp_path / "mine"
    Workspace(mine).set_parameters(
        {
            "feature_store.online": False,
            "tracking.arrivals": False,
            "liteembed.vocabulary": "starter",
            "classifier.heads": list(STORY_HEADS),
        }
        | {"ldc.epochs": 4}
    )
    installed("shotline", "sample", tmp_path / "photos", cwd=tmp_path)
    installed("shotline", "train", tmp_path / "photos", "--shots", "4", "--plain", cwd=mine)

    asked = [path for folder in sorted((tmp_path / "photos/test").iterdir()) for path in sorted(folder.iterdir())[:2]]
    lines = installed("shotline", "classify", *asked, "--json", cwd=mine).splitlines()
    answers = {line["path"]: line["top"][0]["class"] for line in map(json.loads, lines)}
    assert len(answers) == len(asked)
    assert sum(answers[str(path)] == path.parent.name for path in asked) > len(asked) / 2

    grey = [tmp_path / f"grey/{number}.jpg" for number in range(4)]
    for number, path in enumerate(grey):
        draw_photo(path, 900 + number, hue=20)
    installed("shotline", "add-class", "rust", *grey, "--force", cwd=mine)
    assert "rust" in installed("shotline", "classes", cwd=mine)
    with (
        serving(mine, tmp_path, programs=installed.programs, environment=installed.variables) as (base, _),
        shotline.Client(base, timeout_s=120, retries=20) as client,
    ):
        (served,) = client.classify([asked[0]])
        assert served.top[0][0] == answers[str(asked[0])]
        assert "rust" in {row["class"] for row in client.classes()}

    installed("dvc", "repro", cwd=mine)  # with the added class
    lock = (mine / "dvc.lock").read_bytes()
    installed("dvc", "repro", cwd=mine)
    assert (mine / "dvc.lock").read_bytes() == lock

    # A second workspace beside it knows nothing of the first.
    installed("shotline", "init", "other", cwd=tmp_path)
    assert "nothing is live" in _told(installed, tmp_path / "other")
    assert "rust" in installed("shotline", "classes", cwd=mine)


def _told(installed: Installed, workspace: Path) -> str:
    try:
        return installed("shotline", "classes", cwd=workspace)
    except AssertionError as refused:
        return str(refused)
