"""`projector.safetensors`: the tensors of the backbone's last step, which LDC's fused feature passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from components.artefacts.backbone_facts import BackboneFacts
from components.artefacts.missing import existing
from components.backbone import Projector
from components.files import atomic_path

__all__ = ["projector_facts", "read_projector", "write_projector"]

_NAME = "projector.safetensors"


def projector_facts(projector: Projector | None) -> dict[str, Any] | None:
    """What `BackboneFacts.projector` keeps of it."""
    if projector is None:
        return None
    return {"kind": projector.kind, "heads": projector.heads, "patches": projector.patches}


def write_projector(folder: Path, projector: Projector | None) -> None:
    """Write the file; it is empty if the backbone has no projector."""
    with atomic_path(folder / _NAME) as beside:
        save_file({} if projector is None else projector.tensors, beside)


def read_projector(folder: Path) -> Projector | None:
    """The projector of the backbone that made the features; None if it has none.

    Raises:
        UserInputError: the stage features has not run.
    """
    facts = BackboneFacts.read(folder).projector
    return None if facts is None else Projector(tensors=load_file(existing(folder / _NAME)), **facts)
