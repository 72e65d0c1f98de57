import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from components.errors import UserInputError
from components.workspace import Workspace, init_workspace
from components.workspace.template import TEMPLATE
from tests.conftest import REPOSITORY


@pytest.fixture
def small_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The template with a weights file of a few bytes: what is tested here does not read it."""
    template = tmp_path / "template"
    for name in TEMPLATE:
        target = template / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if name == "models/embedded":
            target.mkdir()
            (target / "open_clip_model.safetensors").write_bytes(b"weights")
        else:
            shutil.copyfile(REPOSITORY / name, target)
    monkeypatch.setattr("components.workspace.init.template_folder", lambda: template)
    return template


@pytest.mark.usefixtures("small_template")
@pytest.mark.parametrize("there", [False, True], ids=["new", "with files of a person's own"])
def test_a_folder_becomes_a_workspace_and_what_was_in_it_stays(tmp_path: Path, there: bool) -> None:
    folder = tmp_path / "mine"
    if there:
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")

    made = init_workspace(folder)

    assert made.git == "made"
    assert (folder / ".git").is_dir()
    assert Workspace.find(folder).root == folder
    assert all((folder / name).exists() for name in TEMPLATE)
    assert not there or (folder / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("small_template")
def test_inside_a_git_repository_none_is_made(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)

    assert init_workspace(tmp_path / "mine").git == "there"
    assert not (tmp_path / "mine/.git").exists()


@pytest.mark.usefixtures("small_template")
@pytest.mark.parametrize("without", ["asked for", "no git"])
def test_without_git_dvc_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, without: str) -> None:
    if without == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))

    assert init_workspace(tmp_path / "mine", scm=without != "asked for").git == "none"
    assert "no_scm = true" in (tmp_path / "mine/.dvc/config").read_text()
    assert not (tmp_path / "mine/.git").exists()


@pytest.mark.usefixtures("small_template")
@pytest.mark.parametrize(
    ("there", "folder", "told"),
    [
        ("mine/params.yaml", "mine", "params.yaml would be overwritten"),
        ("mine/models/embedded/x", "mine", "models/embedded would be overwritten"),
        ("mine", "mine", "a file of that name"),
    ],
)
def test_where_something_stands_in_the_way_nothing_is_made(tmp_path: Path, there: str, folder: str, told: str) -> None:
    (tmp_path / there).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / there).write_text("mine")
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(UserInputError, match=told):
        init_workspace(tmp_path / folder)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.usefixtures("small_template")
def test_a_workspace_is_made_neither_twice_nor_in_another(tmp_path: Path) -> None:
    init_workspace(tmp_path / "mine", scm=False)

    with pytest.raises(UserInputError, match="a workspace already"):
        init_workspace(tmp_path / "mine")
    with pytest.raises(UserInputError, match="it lies in the workspace"):
        init_workspace(tmp_path / "mine/data/inner")


def test_the_wheel_holds_what_a_workspace_begins_with() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]

    assert included == {name: f"components/workspace/template/{name}" for name in TEMPLATE}
