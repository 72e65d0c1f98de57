"""A saved classifier on disk, outside a workspace: a bundle, a live version or a Bento."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from components.classifier import holds_bundle
from components.workspace.template import template_folder

__all__ = ["Saved"]

_MODELS = ("backbone", "embedded", "checkpoints")  # one of these lies in a folder `models`


@dataclass(frozen=True)
class Saved:
    """Where the parts of a saved classifier lie.

    Attributes:
        bundle: the bundle's folder.
        bank: the folder of the classes added beside it; None for the bundle alone.
        models: the folder in which its backbone is looked for.
    """

    bundle: Path
    bank: Path | None
    models: Path

    @classmethod
    def found(cls, folder: Path) -> Saved | None:
        """The parts of a Bento, a bundle (`bundle.json`) or a live version (`version.json`); None if `folder` is
        none.
        """
        if (folder / "bento.yaml").is_file():
            models = folder / "src/models"
            return cls(models / "bundle", models / "bank", models)
        if holds_bundle(folder):
            return cls(folder, None, _models_above(folder))
        if (folder / "version.json").is_file():
            return cls(folder / "bundle", folder / "bank", _models_above(folder))
        return None


def _models_above(folder: Path) -> Path:
    """The folder `models` that a bundle or a version lies in; if there is none, the one of the embedded CLIP."""
    for above in folder.parents[:3]:
        if any((above / name).is_dir() for name in _MODELS):
            return above
    return template_folder() / "models"
