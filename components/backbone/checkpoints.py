"""Copies a person's own weights into the workspace, where the pipeline can see whether they change."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

from components.backbone.hugging_face import TOKENIZER_FILES
from components.backbone.load import check_backbone
from components.errors import UserInputError
from components.files import atomic_path

__all__ = ["adopt_checkpoint"]


def adopt_checkpoint(name: str, models: Path) -> str:
    """Copy the checkpoint that `name` leads to into `models/checkpoints`, unless it is there already.

    Args:
        name: any backbone's name, or a path to a folder in open_clip's form, or `MODEL/PATH.safetensors`.
        models: the workspace's `models/`.

    Returns:
        The name that the workspace knows the backbone by; `name` itself where nothing had to be copied, with its
        revision where it is a model of Hugging Face's hub.

    Raises:
        UserInputError: `name` stands for no backbone, or another checkpoint has its name in the workspace.
    """
    checkpoints = models / "checkpoints"
    folder = Path(name).expanduser()
    model_name, _, file_name = name.partition("/")
    file = Path(file_name).expanduser()
    known = not folder.is_absolute() and (checkpoints / name).is_dir()
    if folder.is_dir() and not known:
        adopted, pairs = folder.resolve().name, _files(folder)
        check_backbone(str(folder.resolve()), models=models)
    elif file.suffix == ".safetensors" and file.is_file():
        adopted, pairs = f"{model_name}/{file.name}", {file: file.name}
        check_backbone(f"{model_name}/{file.resolve()}", models=models)
    else:
        return check_backbone(name, models=models)
    for source, target in pairs.items():
        _copy(source, checkpoints / target)
    return adopted


def _files(folder: Path) -> dict[Path, str]:
    names = ("open_clip_config.json", "open_clip_model.safetensors", "covariance.safetensors", *TOKENIZER_FILES)
    return {folder / name: f"{folder.resolve().name}/{name}" for name in names if (folder / name).is_file()}


def _copy(source: Path, target: Path) -> None:
    if target.is_file():
        if source.resolve() == target.resolve() or filecmp.cmp(source, target, shallow=False):
            return
        raise UserInputError(
            "the workspace has another checkpoint of that name",
            on=str(target),
            remedy="remove it if it is no longer wanted, or rename the new one",
        )
    with atomic_path(target) as beside:
        shutil.copyfile(source, beside)
