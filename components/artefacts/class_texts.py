"""`texts.safetensors`: the text embeddings of the classes, and the backbone's generic covariance."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

from components.artefacts.missing import existing
from components.files import atomic_path

__all__ = ["ClassTexts"]


@dataclass(frozen=True)
class ClassTexts:
    """What is known of the classes before any photo is seen.

    Attributes:
        text_embeddings: (C, d) float32, unit length, in the order of labels.
        covariance: (d, d) float32, the backbone's generic within-class covariance, or None.
    """

    text_embeddings: Tensor
    covariance: Tensor | None = None

    @classmethod
    def read(cls, folder: Path) -> ClassTexts:
        """From the folder of the stage features.

        Raises:
            UserInputError: it has not run.
        """
        tensors = load_file(existing(folder / "texts.safetensors"))
        return cls(tensors["text_embeddings"], tensors.get("covariance"))

    def write(self, folder: Path) -> None:
        """Into that folder."""
        tensors = {"text_embeddings": self.text_embeddings}
        if self.covariance is not None:
            tensors["covariance"] = self.covariance
        with atomic_path(folder / "texts.safetensors") as beside:
            save_file(tensors, beside)
