"""Everything that a cached feature depends on, as one key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["LEVEL_MODES", "LevelMode", "View", "feature_key"]

LevelMode = Literal["full", "grid", "pooled"]
LEVEL_MODES: tuple[LevelMode, ...] = get_args(LevelMode)


@dataclass(frozen=True, order=True)
class View:
    """One version of one image.

    Attributes:
        image_id: SHA-256 of the image file's bytes.
        number: 0 is the clean view, 1 and up are augmented ones.
    """

    image_id: str
    number: int = 0


def feature_key(view: View, backbone_digest: str, mode: LevelMode | None) -> str:
    """64 hexadecimal digits over the image's bytes, the view, the backbone (with preprocessing, precision and device) and the level mode; None: the embedding without levels."""
    # The version is raised when the meaning of a cached tensor or of a view changes.
    facts = f"v2|{view.image_id}|{view.number}|{backbone_digest}|{mode}"
    return hashlib.sha256(facts.encode()).hexdigest()
