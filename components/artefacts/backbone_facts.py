"""`backbone.json`: which backbone made the features, as the stage features wrote it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.artefacts.missing import existing
from components.files import write_json

__all__ = ["BackboneFacts"]


@dataclass(frozen=True)
class BackboneFacts:
    """The backbone that the features and texts were made with.

    Attributes:
        name, weights, preprocessing, precision, device_kind, digest: see `components.backbone.BackboneIdentity`.
        logit_scale: the factor by which it multiplies cosines.
        templates: prompts that the class texts were made with.
        projector: kind, heads and patches of its last step; None if it has none that we know.
        beside: the second encoder beside it, see `components.backbone.Beside`; None if there is none.
    """

    name: str
    weights: str
    preprocessing: dict[str, Any]
    precision: str
    device_kind: str
    digest: str
    logit_scale: float
    templates: tuple[str, ...]
    projector: dict[str, Any] | None = None
    beside: dict[str, Any] | None = None

    @classmethod
    def file(cls, folder: Path) -> Path:
        """Where they lie in the folder of the stage features."""
        return folder / "backbone.json"

    @classmethod
    def read(cls, folder: Path) -> BackboneFacts:
        """What the stage features wrote.

        Raises:
            UserInputError: it has not run.
        """
        facts = json.loads(existing(cls.file(folder)).read_text(encoding="utf-8"))
        return cls(**{**facts, "templates": tuple(facts["templates"])})

    def write(self, folder: Path) -> None:
        """Write them; no time, host or path is in them."""
        write_json(self.file(folder), {**asdict(self), "templates": list(self.templates)})

    @property
    def identity(self) -> dict[str, Any]:
        """What a bundle keeps of it, and what another backbone is compared with."""
        names = ("name", "weights", "preprocessing", "precision", "device_kind")
        own = {name: getattr(self, name) for name in names}
        return own if self.beside is None else own | {"beside": self.beside}
