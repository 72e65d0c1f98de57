"""`pool.json`: how many photos without a label the stage features took, and how many it left out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from components.artefacts.missing import existing
from components.files import write_json

__all__ = ["PoolFacts"]

_NAME = "pool.json"


@dataclass(frozen=True)
class PoolFacts:
    """What training took of the pool.

    Attributes:
        photos: encoded, with the role `pool`.
        left_out: photos that equal or nearly equal a labelled photo: learning from them would make figures look better.
    """

    photos: int = 0
    left_out: int = 0

    @classmethod
    def read(cls, folder: Path) -> PoolFacts:
        """From the folder of the stage features.

        Raises:
            UserInputError: it has not run.
        """
        return cls(**json.loads(existing(folder / _NAME).read_text(encoding="utf-8")))

    def write(self, folder: Path) -> None:
        """Into that folder."""
        write_json(folder / _NAME, asdict(self))
