"""LDC: MAF's fused feature, an MLP head on it, inter-class deconfusion (ICD) and adaptive logit fusion (ALF).

Zhao et al., "Logits DeConfusion with CLIP for Few-Shot Learning", CVPR 2025 (arXiv 2504.12104), sections 3.2 to 3.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.backbone import Projector
from components.ldc.blocks import Block, LinearMaker
from components.ldc.maf import maf_for
from components.ldc.shape import Shape

__all__ = ["LDC", "Outputs", "zero_shot_logits"]


@dataclass(frozen=True)
class Outputs:
    """LDC's outputs for n images.

    Attributes:
        fused: (n, d), MAF's feature, not normalised.
        clip: (n, K), the start logits; zero-shot's, as published.
        mlp: (n, K), MAF's own logits.
        icd: (n, K), `clip` with the learnt residual added.
        alf: (n, K), `gate * mlp + (1 - gate) * icd`.
        gate: (n, 1), 0 to 1.
    """

    fused: Tensor
    clip: Tensor
    mlp: Tensor
    icd: Tensor
    alf: Tensor
    gate: Tensor


def zero_shot_logits(embedding: Tensor, text_embeddings: Tensor, logit_scale: float | Tensor) -> Tensor:
    """(n, K): cosines of images (n, d), of any length, with unit texts (K, d), times the scale."""
    return logit_scale * F.normalize(embedding, dim=1) @ text_embeddings.T


class LDC(nn.Module):
    """`m = MLP(f)`; `i = z + A3(A1(z) + A2(f))`; `a = w m + (1 - w) i` with `w = sigmoid(gate(f))`.

    A new model has PyTorch's default initialisation, as published: uniform in 1 / sqrt(inputs), norms at 1 and 0.
    """

    def __init__(self, shape: Shape, projector: Projector) -> None:
        super().__init__()
        d, hidden, K = shape.embedding_width, shape.branch_hidden, shape.n_classes
        linear = LinearMaker(shape.rank, shape.loudness)
        of_levels = replace(linear, rank=shape.level_rank or shape.rank)
        self.shape = shape
        self.maf = maf_for(shape, projector, linear, of_levels)
        self.mlp_head = Block(d, shape.mlp_hidden, K, linear, full_last=True)
        self.logit_branch = Block(K, hidden, hidden, linear)
        self.feature_branch = Block(d, hidden, hidden, linear)
        self.output_branch = Block(hidden, hidden, K, linear, full_last=True)
        self.gate = Block(d, shape.gate_hidden, 1, linear, full_last=True)

    def forward(self, levels: Sequence[Tensor], class_tokens: Sequence[Tensor], clip_logits: Tensor) -> Outputs:
        """Features of n images to logits.

        Args:
            levels: four of (n, c_k, h_k, w_k) or (n, c_k).
            class_tokens: four of (n, c_k) for a ViT; empty for a ResNet.
            clip_logits: (n, K).
        """
        return self.from_fused(self.maf(levels, class_tokens), clip_logits)

    def from_fused(self, fused: Tensor, clip_logits: Tensor) -> Outputs:
        """The rest of LDC on a feature (n, d) in place of MAF's."""
        mlp = self.mlp_head(fused)
        icd = clip_logits + self.residual(fused, clip_logits)
        gate = torch.sigmoid(self.gate(fused))
        return Outputs(fused, clip_logits, mlp, icd, gate * mlp + (1 - gate) * icd, gate)

    def residual(self, fused: Tensor, clip_logits: Tensor) -> Tensor:
        """(n, K): ICD's residual, which is added to the start logits."""
        return self.output_branch(  # type: ignore[no-any-return]
            self.logit_branch(clip_logits) + self.feature_branch(fused)
        )
