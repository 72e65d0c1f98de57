from pathlib import Path

import pytest
import yaml

from components.errors import UserInputError
from components.stages import STAGES
from components.workspace import Workspace, check_stage_versions, keep_digest, stage_changes, upgrade_workspace
from tests.conftest import REPOSITORY


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    for name in ("dvc.yaml", "params.yaml", "versions.yaml"):
        (tmp_path / name).write_text((REPOSITORY / name).read_text())
    keep_digest(tmp_path)
    return Workspace(tmp_path)


def older(workspace: Workspace, **versions: int | None) -> None:
    """As an earlier Shotline left it."""
    path = workspace.root / "versions.yaml"
    content = yaml.safe_load(path.read_text()) | versions
    path.write_text(yaml.safe_dump({name: version for name, version in content.items() if version is not None}))


def test_every_stage_has_a_version_that_dvc_reads() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]

    assert tuple(yaml.safe_load((REPOSITORY / "versions.yaml").read_text())) == STAGES
    for name in STAGES:
        assert {"versions.yaml": [name]} in stages[name]["params"]


def test_a_workspace_of_this_shotline_is_up_to_date(workspace: Workspace) -> None:
    before = (workspace.root / "dvc.yaml").read_text()

    assert stage_changes(workspace) == upgrade_workspace(workspace) == []
    check_stage_versions(workspace)
    assert (workspace.root / "dvc.yaml").read_text() == before


def test_a_stage_of_another_version_is_refused_with_the_remedy_that_helps(workspace: Workspace) -> None:
    older(workspace, ldc=1, package=None, forgotten=3)

    with pytest.raises(UserInputError, match=r"ldc 1 for \d+, package none for \d+.*shotline upgrade"):
        check_stage_versions(workspace)
    with pytest.raises(UserInputError, match="shotline upgrade"):
        check_stage_versions(workspace, "ldc")
    check_stage_versions(workspace, "ingest")

    assert [change.stage for change in upgrade_workspace(workspace)] == ["ldc", "package", "forgotten"]
    check_stage_versions(workspace)
    assert stage_changes(workspace) == []


def test_the_pipelines_entries_are_brought_up_to_date_and_a_persons_own_stay(workspace: Workspace) -> None:
    path = workspace.root / "dvc.yaml"
    text = path.read_text().replace("cmd: shotline stage ldc", "cmd: shotline stage ldc --old")
    own = "  mine: # of my own\n    cmd: echo hello\n\nplots:"
    path.write_text(text.replace("\nplots:", own).partition("artifacts:")[0])

    (change,) = upgrade_workspace(workspace)

    assert change.told == "ldc: its entry in dvc.yaml is another one in this Shotline"
    written = path.read_text()
    assert "# of my own" in written
    assert "--old" not in written
    pipeline, ours = yaml.safe_load(written), yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())
    assert pipeline["stages"].pop("mine") == {"cmd": "echo hello"}
    assert pipeline == ours


def test_a_workspace_from_before_the_file_is_brought_up_to_date(workspace: Workspace) -> None:
    (workspace.root / "versions.yaml").unlink()

    assert {change.stage for change in upgrade_workspace(workspace)} == set(STAGES)
    assert stage_changes(workspace) == []


def test_the_plots_of_an_older_workspace_open_without_a_network_too(workspace: Workspace) -> None:
    config, page = workspace.root / ".dvc/config", workspace.root / ".dvc/plots.html"
    config.parent.mkdir()
    config.write_text("[core]\n    analytics = false\n")
    (workspace.root / "versions.yaml").unlink()

    upgrade_workspace(workspace)

    assert config.read_text() == "[plots]\n    html_template = plots.html\n[core]\n    analytics = false\n"
    html = page.read_text(encoding="utf-8")
    assert "{plot_divs}" in html
    assert "<script src" not in html
    assert "window.vegaEmbed" in html


def test_a_file_that_cannot_be_read_is_told(workspace: Workspace) -> None:
    (workspace.root / "versions.yaml").write_text("ldc: [")
    with pytest.raises(UserInputError, match="not YAML"):
        check_stage_versions(workspace)
    (workspace.root / "versions.yaml").write_text("- ldc")
    with pytest.raises(UserInputError, match="not a mapping"):
        check_stage_versions(workspace)
