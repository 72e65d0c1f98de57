"""Which fitted heads are one affine map of the embedding, and that map: what other programs can compute too."""

from __future__ import annotations

from torch import Tensor

from components.heads.gda import GDA
from components.heads.linear_probe import LinearProbe, LinearProbeLevels
from components.heads.nearest_mean import NearestMean
from components.heads.protocol import Head
from components.heads.zero_shot import ZeroShot

__all__ = ["affine_of"]


def affine_of(head: Head) -> tuple[Tensor, Tensor] | None:
    """Weights (C, d) and offsets (C,), float32, with `scores = embedding @ weights.T + offsets`, up to rounding.

    None: the head reads feature levels, or bends (Tip-Adapter's exponential, MAP-LR's whitened unit length, LDC).
    """
    match head:
        case ZeroShot():
            weights = head.logit_scale_ * head.text_embeddings_
        case NearestMean():
            weights = head.logit_scale_ * head.means_
        case GDA():
            return head.weight_.T.contiguous(), head.bias_
        case LinearProbeLevels():  # a LinearProbe, of other inputs
            return None
        case LinearProbe():
            weight = head.scale_[:, None].double() * head.weight_.double()
            offsets = head.bias_.double() - head.shift_.double() @ weight
            return weight.T.float().contiguous(), offsets.float()
        case _:
            return None
    return weights, weights.new_zeros(len(weights))
