"""`Features`: what a backbone says of some images, the one carrier between the cache and every head."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Features"]


@dataclass(frozen=True)
class Features:
    """Features of n rows; a row is one view of one image.

    Attributes:
        embedding: (n, d) float32, each row of unit length.
        levels: the four feature maps, first (finest) to last: (n, c_k) pooled, or (n, c_k, g, g) on one grid,
            any floating type; empty where the backbone gives none.
    """

    embedding: Tensor
    levels: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.embedding)

    def __getitem__(self, rows: Tensor | slice) -> Features:
        """The chosen rows: a slice, a boolean mask or indices."""
        return Features(self.embedding[rows], tuple(level[rows] for level in self.levels))

    def pooled_levels(self) -> tuple[Tensor, ...]:
        """Each level's mean over its grid, (n, c_k) float32."""
        return tuple(level.float().flatten(2).mean(2) if level.ndim == 4 else level.float() for level in self.levels)

    @staticmethod
    def concatenate(parts: list[Features]) -> Features:
        """The rows of all parts, in order."""
        levels = zip(*(part.levels for part in parts), strict=True)
        return Features(torch.cat([part.embedding for part in parts]), tuple(torch.cat(level) for level in levels))
