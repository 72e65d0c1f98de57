"""Makes a workspace in any folder."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from components.errors import ShotlineError, UserInputError
from components.workspace.shipped import keep_digest
from components.workspace.template import TEMPLATE, template_folder
from components.workspace.workspace import Workspace

__all__ = ["NewWorkspace", "init_workspace"]


@dataclass(frozen=True)
class NewWorkspace:
    """A new workspace.

    Attributes:
        workspace: the workspace.
        git: "made" (a git repository was made in it), "there" (it lies in one already) or "none" (DVC works without).
    """

    workspace: Workspace
    git: str


def init_workspace(folder: Path, *, scm: bool = True) -> NewWorkspace:
    """Make `folder` a workspace: its pipeline, its parameters, the embedded backbone, DVC set up.

    Existing files are never changed: other files in the folder stay, and if one stands in the way nothing is made.

    Args:
        folder: made if missing.
        scm: False makes DVC work without git, as it does if git is not installed.

    Raises:
        UserInputError: it is a workspace already, it lies in one, or a file stands in the way.
        ShotlineError: git failed.
    """
    folder = folder.absolute()
    _check(folder)
    template = template_folder()
    folder.mkdir(parents=True, exist_ok=True)
    for name in TEMPLATE:
        source, target = template / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
    keep_digest(folder)
    return NewWorkspace(Workspace(folder), _version_control(folder, scm))


def _check(folder: Path) -> None:
    try:
        around = Workspace.find(folder)
    except UserInputError:
        pass
    else:
        if around.root == folder.resolve():
            raise UserInputError("it is a workspace already", on=str(folder), remedy="use it as it is")
        raise UserInputError(
            f"it lies in the workspace {around.root}", on=str(folder), remedy="choose a folder outside of it"
        )
    if folder.exists() and not folder.is_dir():
        raise UserInputError("a file of that name is there", on=str(folder), remedy="choose another folder")
    if in_the_way := [name for name in TEMPLATE if (folder / name).exists()]:
        raise UserInputError(
            f"{', '.join(in_the_way)} would be overwritten", on=str(folder), remedy="move it, or choose another folder"
        )


def _version_control(folder: Path, scm: bool) -> str:
    git = shutil.which("git") if scm else None
    if git is None:
        with (folder / ".dvc/config").open("a", encoding="utf-8") as file:
            file.write("    no_scm = true\n")
        return "none"
    inside = subprocess.run([git, "rev-parse", "--git-dir"], cwd=folder, capture_output=True, check=False)
    if inside.returncode == 0:
        return "there"
    made = subprocess.run([git, "init", "--quiet"], cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode != 0:
        raise ShotlineError(
            f"git failed: {made.stderr.strip() or made.returncode}",
            on=str(folder),
            remedy="see to git, remove the folder and run again, or use --no-scm",
        )
    return "made"
