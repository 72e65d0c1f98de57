"""Multi-level adapter fusion (MAF): the four levels of a frozen image tower become one fused feature.

Zhao et al., "Logits DeConfusion with CLIP for Few-Shot Learning" (LDC), CVPR 2025, section 3.2, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.backbone import Projector
from components.ldc.blocks import BatchNorm, Block, LinearMaker
from components.ldc.projection import position_projection, reads_positions, token_projection
from components.ldc.shape import Shape

__all__ = ["FUSIONS", "ResNetMAF", "ViTMAF", "maf_for"]

FUSIONS = (1, 2, 3)
_FIXED_WEIGHTS = {1: (0.25, 0.25, 0.25, 0.25), 2: (0.1, 0.2, 0.3, 0.4)}


class ResNetLevel(nn.Module):
    """1x1 convolution, batch norm, ReLU, then the mean over squares down to the last level's grid."""

    def __init__(self, channels: int, width: int, linear: LinearMaker) -> None:
        super().__init__()
        self.linear = linear(channels, width)
        self.norm = BatchNorm(width)

    def forward(self, level: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """(n, c, h, w) to (n, g_h g_w, C); a pooled level (n, c) to (n, C)."""
        if grid is None:
            return F.relu(self.norm(self.linear(level)))
        n, channels, height, width = level.shape
        rows = level.movedim(1, -1).reshape(-1, channels)  # no copy if the level is stored channels last
        rows = F.relu(self.norm(self.linear(rows)))
        if (height, width) == grid:
            return rows.view(n, height * width, -1)
        if height % grid[0] or width % grid[1]:
            maps = rows.view(n, height, width, -1).movedim(-1, 1)
            return F.adaptive_avg_pool2d(maps, grid).flatten(2).transpose(1, 2)
        squares = rows.view(n, grid[0], height // grid[0], grid[1], width // grid[1], -1)
        return squares.mean((2, 4)).flatten(1, 2)


class ResNetMAF(nn.Module):
    """MAF of a CLIP ResNet: the fused map goes through the frozen attention pool. It serves every tower whose last step
    reads all positions.

    The learnt fusion pools each level separately and joins the four embeddings.
    """

    def __init__(self, shape: Shape, projector: Projector, linear: LinearMaker, of_levels: LinearMaker) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            ResNetLevel(channels, shape.map_width, of_levels) for channels in shape.level_channels
        )
        d = shape.embedding_width
        self.fusion = Block(4 * d, shape.fusion_hidden, d, linear) if shape.fusion == 3 else None
        self.weights = _FIXED_WEIGHTS.get(shape.fusion)
        self.projector = position_projection(projector)

    def forward(self, levels: Sequence[Tensor], class_tokens: Sequence[Tensor] = ()) -> Tensor:
        """Four levels (n, c_k, h_k, w_k), or their means (n, c_k), to the fused feature (n, d), not normalised."""
        last = levels[-1]
        grid = (last.shape[2], last.shape[3]) if last.ndim == 4 else None
        pool = self.projector if grid else self.projector.vectors
        adapted = [adapter(level, grid) for adapter, level in zip(self.levels, levels, strict=True)]
        if self.fusion is not None:
            return self.fusion(torch.cat([pool(level) for level in adapted], 1))  # type: ignore[no-any-return]
        return pool(_weighted(adapted, self.weights))


class ViTLevel(nn.Module):
    """Linear, layer norm and ReLU on each token, then the mean over all tokens, the class token among them."""

    def __init__(self, channels: int, width: int, linear: LinearMaker) -> None:
        super().__init__()
        self.linear = linear(channels, width)
        self.norm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, level: Tensor, class_token: Tensor, patches: int) -> Tensor:
        """(n, c, h, w) or (n, c), and the class token (n, c), to (n, C).

        A map that was averaged to fewer positions counts like the `patches` that it stands for.
        """
        if level.ndim == 2:
            level = level[:, :, None, None]
        tokens = torch.cat([class_token[:, None], level.flatten(2).transpose(1, 2)], 1)
        tokens = F.relu(self.norm(self.linear(tokens)))
        if tokens.shape[1] == patches + 1:
            return tokens.mean(1)
        return (tokens[:, 0] + patches * tokens[:, 1:].mean(1)) / (patches + 1)


class ViTMAF(nn.Module):
    """MAF of a CLIP ViT: the fused vector goes through the frozen projection, without the last layer norm.

    The last step of timm's ViTs reads the class token as well; there it goes through the norm too.
    """

    def __init__(self, shape: Shape, projector: Projector, linear: LinearMaker, of_levels: LinearMaker) -> None:
        super().__init__()
        self.levels = nn.ModuleList(ViTLevel(channels, shape.map_width, of_levels) for channels in shape.level_channels)
        C = shape.map_width
        self.fusion = Block(4 * C, shape.fusion_hidden, C, linear) if shape.fusion == 3 else None
        self.weights = _FIXED_WEIGHTS.get(shape.fusion)
        self.patches = projector.patches
        self.projector = token_projection(projector)

    def forward(self, levels: Sequence[Tensor], class_tokens: Sequence[Tensor] = ()) -> Tensor:
        """Four levels (n, c_k, h, w) or (n, c_k) and their class tokens (n, c_k) to the fused feature (n, d)."""
        vectors = [
            adapter(level, token, self.patches)
            for adapter, level, token in zip(self.levels, levels, class_tokens, strict=True)
        ]
        fused = self.fusion(torch.cat(vectors, 1)) if self.fusion is not None else _weighted(vectors, self.weights)
        return self.projector(fused)  # type: ignore[no-any-return]


def maf_for(shape: Shape, projector: Projector, linear: LinearMaker, of_levels: LinearMaker) -> ResNetMAF | ViTMAF:
    """MAF of the tower that the projector belongs to; `of_levels` makes the layers that read the levels."""
    return (ResNetMAF if reads_positions(projector) else ViTMAF)(shape, projector, linear, of_levels)


def _weighted(levels: Sequence[Tensor], weights: tuple[float, ...] | None) -> Tensor:
    assert weights is not None  # fusion 3 has no fixed weights and never calls this
    fused = weights[0] * levels[0]
    for weight, level in zip(weights[1:], levels[1:], strict=True):
        fused = torch.add(fused, level, alpha=weight)
    return fused
