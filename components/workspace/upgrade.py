"""Compares a workspace's stage versions with this Shotline's, and updates the workspace."""

from __future__ import annotations

import io
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import UserInputError
from components.files import write_text
from components.workspace.shipped import keep_digest, kept_digest, shipped_digest
from components.workspace.template import TEMPLATE, template_folder
from components.workspace.workspace import Workspace

if TYPE_CHECKING:
    from ruamel.yaml import YAML

__all__ = ["StageChange", "check_stage_versions", "stage_changes", "upgrade_workspace"]

_VERSIONS = "versions.yaml"
_PIPELINE = "dvc.yaml"
_SHIPS = "package"


@dataclass(frozen=True)
class StageChange:
    """A stage that differs between the workspace and this Shotline.

    Attributes:
        stage: its name.
        found: its version in the workspace; None if the workspace does not know it.
        ours: its version here; None if this Shotline does not know it.
        definition: whether its entry in `dvc.yaml` differs.
        code: whether it ships code, and the workspace's digest of that code differs from this Shotline's.
    """

    stage: str
    found: int | None
    ours: int | None
    definition: bool
    code: bool = False

    @property
    def told(self) -> str:
        """One line for people."""
        if self.found != self.ours:
            return f"{self.stage}: version {self.found or 'none'} here, {self.ours or 'none'} in this Shotline"
        what = "its entry in dvc.yaml" if self.definition else "the code that it ships"
        return f"{self.stage}: {what} is another one in this Shotline"


def stage_changes(workspace: Workspace) -> list[StageChange]:
    """The stages that `upgrade_workspace` would update, in the pipeline's order; empty if there is none."""
    found, ours = _versions(workspace.root), _versions(template_folder())
    here, template = _pipeline(workspace.root)["stages"], _pipeline(template_folder())["stages"]
    code = kept_digest(workspace.root) != shipped_digest()
    changes = (
        StageChange(
            name, found.get(name), ours.get(name), here.get(name) != template.get(name), code and name == _SHIPS
        )
        for name in dict.fromkeys([*ours, *found])
    )
    return [change for change in changes if change.found != change.ours or change.definition or change.code]


def check_stage_versions(workspace: Workspace, stage: str | None = None) -> None:
    """Check that the workspace's stages have this Shotline's versions.

    Args:
        workspace: has the file `versions.yaml`.
        stage: checks only this stage; None: all.

    Raises:
        UserInputError: they differ; it names the versions and the command that updates them.
    """
    found, ours = _versions(workspace.root), _versions(template_folder())
    others = [name for name in ours if found.get(name) != ours[name] and stage in (None, name)]
    if others:
        told = ", ".join(f"{name} {found.get(name, 'none')} for {ours[name]}" for name in others)
        raise UserInputError(
            f"the workspace was made for other versions of its stages than this Shotline has ({told})",
            on=str(workspace.root / _VERSIONS),
            remedy="run `shotline upgrade`, which says what will run anew, or use the Shotline that it was made with",
        )


def upgrade_workspace(workspace: Workspace) -> list[StageChange]:
    """Write this Shotline's stages into `versions.yaml` and `dvc.yaml`; a person's own stages are not changed.

    Sections of `params.yaml` and folders that these stages read, and `artifacts` of `dvc.yaml`, are added where they are
    missing.

    Returns:
        The stages that were updated.
    """
    changes = stage_changes(workspace)
    if not changes:
        return []
    keep_digest(workspace.root)
    yaml = _yaml()
    pipeline, template = (_pipeline(root, yaml) for root in (workspace.root, template_folder()))
    for change in changes:
        if change.ours is None:
            pipeline["stages"].pop(change.stage, None)
        else:
            pipeline["stages"][change.stage] = template["stages"][change.stage]
    for name, artifact in template["artifacts"].items():
        pipeline.setdefault("artifacts", {}).setdefault(name, artifact)
    text = io.StringIO()
    yaml.dump(pipeline, text)
    write_text(workspace.root / _PIPELINE, text.getvalue())
    _add_what_stages_read(workspace.root)
    write_text(workspace.root / _VERSIONS, (template_folder() / _VERSIONS).read_text(encoding="utf-8"))
    return changes


def _add_what_stages_read(root: Path) -> None:
    """Sections of `params.yaml` and folders that this Shotline's stages read and an older workspace lacks."""
    import yaml

    path, template = root / "params.yaml", template_folder()
    found, ours = (_read(each / "params.yaml", _safe()) or {} for each in (root, template))
    if missing := [name for name in ours if name not in found]:
        text = path.read_text(encoding="utf-8").rstrip("\n")
        write_text(path, text + "\n\n" + yaml.safe_dump({name: ours[name] for name in missing}, sort_keys=False))
    # The files that Feast's own commands read are ours alone.
    brought = [name for name in TEMPLATE if name.startswith("data/") or name == "prefect.yaml"]
    missing = [name for name in brought if not (root / name).exists()]
    for name in dict.fromkeys([*missing, "data/feature_store/definitions.py"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(template / name, root / name)
    config = root / ".dvc/config"
    if config.is_file() and "[plots]" not in (text := config.read_text(encoding="utf-8")):
        shutil.copyfile(template / ".dvc/plots.html", root / ".dvc/plots.html")
        write_text(config, f"[plots]\n    html_template = plots.html\n{text}")


def _versions(root: Path) -> dict[str, int]:
    path = root / _VERSIONS
    if not path.is_file():
        return {}  # a workspace of an early Shotline
    found = _read(path, _safe())
    if not isinstance(found, dict) or not all(isinstance(version, int) for version in found.values()):
        raise UserInputError("not a mapping of stages to versions", on=str(path), remedy="run `shotline upgrade`")
    return found


def _pipeline(root: Path, yaml: YAML | None = None) -> Any:
    path = root / _PIPELINE
    content = _read(path, yaml or _safe())
    if not isinstance(content, Mapping) or not isinstance(content.get("stages"), Mapping):
        raise UserInputError("it has no mapping of stages", on=str(path), remedy="restore the file")
    return content


def _read(path: Path, yaml: YAML) -> Any:
    from ruamel.yaml.error import YAMLError

    try:
        return yaml.load(path.read_text(encoding="utf-8"))
    except YAMLError as error:
        raise UserInputError(f"not YAML: {error}", on=str(path), remedy="correct the file") from error


def _safe() -> YAML:
    from ruamel.yaml import YAML

    return YAML(typ="safe")


def _yaml() -> YAML:
    from ruamel.yaml import YAML

    yaml = YAML()  # round trip: comments stay
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
