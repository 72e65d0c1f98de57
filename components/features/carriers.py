"""`Features`: a backbone's output for some images, the one carrier between the cache and every head."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Features"]

_ROWS_AT_ONCE = 1024  # row by row, so that not all whole maps are in memory


@dataclass(frozen=True)
class Features:
    """Features of n rows; a row is one view of one image.

    Attributes:
        embedding: (n, d) float32, each row of unit length.
        levels: the four feature maps, first (finest) to last: (n, c_k) pooled, or (n, c_k, h_k, w_k), on one grid or
            whole, any floating type; empty if the backbone gives none. A ViT's class token is not among the
            positions.
        class_tokens: a ViT's class token at each level, (n, c_k) each; empty for a ResNet.
    """

    embedding: Tensor
    levels: tuple[Tensor, ...] = ()
    class_tokens: tuple[Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.embedding)

    def __getitem__(self, rows: Tensor | slice) -> Features:
        """The chosen rows: a slice, a boolean mask or indices."""
        return Features(
            self.embedding[rows],
            tuple(level[rows] for level in self.levels),
            tuple(token[rows] for token in self.class_tokens),
        )

    def pooled_levels(self) -> tuple[Tensor, ...]:
        """Each level's mean over its grid, (n, c_k) float32."""
        return tuple(
            torch.cat([rows.float().flatten(2).mean(2) for rows in level.split(_ROWS_AT_ONCE)])
            if level.ndim == 4
            else level.float()
            for level in self.levels
        )

    def pooled(self) -> Features:
        """The same rows with each level averaged over its grid; class tokens stay apart."""
        return Features(self.embedding, self.pooled_levels(), tuple(token.float() for token in self.class_tokens))

    @staticmethod
    def concatenate(parts: Sequence[Features]) -> Features:
        """The rows of all parts, in order."""
        return Features.gathered(parts, sum(len(part) for part in parts))

    @staticmethod
    def gathered(parts: Iterable[Features], n: int) -> Features:
        """The rows of all parts, in order, `n` in all; memory holds the result and one part. Without a part: no rows."""
        whole, done = Features(torch.empty(0, 0)), 0
        for part in parts:
            if not done:
                embedding, *others = (rows.new_empty((n, *rows.shape[1:])) for rows in part._columns())
                whole = Features(embedding, tuple(others[: len(part.levels)]), tuple(others[len(part.levels) :]))
            for into, rows in zip(whole._columns(), part._columns(), strict=True):
                into[done : done + len(part)] = rows
            done += len(part)
        return whole

    def _columns(self) -> tuple[Tensor, ...]:
        return self.embedding, *self.levels, *self.class_tokens
