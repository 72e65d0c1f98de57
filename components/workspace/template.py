"""The initial files of a new workspace.

In an installed wheel they lie beside this module. In Shotline's repository, which is a workspace itself, they lie in
their own places. There is one copy of each in either case.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["TEMPLATE", "template_folder"]

TEMPLATE = (
    ".dvc/.gitignore",
    ".dvc/config",
    ".dvc/plots.html",
    ".dvcignore",
    ".gitignore",
    "data/.gitignore",
    "data/arrivals/.gitignore",
    "data/classes.csv",
    "data/expectations.json",
    "data/feature_store/.gitignore",
    "data/feature_store/definitions.py",
    "data/feature_store/feature_store.yaml",
    "data/pool/.gitignore",
    "dvc.yaml",
    "models/.gitignore",
    "models/checkpoints/.gitignore",
    "models/embedded",
    "params.yaml",
    "prefect.yaml",
    "versions.yaml",
)
"""Files, and one folder, relative to the workspace."""


def template_folder() -> Path:
    """The folder with the files of `TEMPLATE`: in an installed wheel beside this module, else the repository."""
    packaged = Path(__file__).with_name("template")
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[2]
