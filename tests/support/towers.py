"""What holds of every image tower: its projector makes its embedding, and LDC learns on its levels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import layer_norm

from components.backbone import Encoded, Projector
from components.features import level_features
from components.ldc import LDC, shape_for
from components.ldc.projection import projection_module


def projected(projector: Projector, encoded: Encoded) -> Tensor:
    """The embedding before it is normalised, by the projector and the last level alone."""
    module, tensors = projection_module(projector), projector.tensors
    if projector.kind in ("projection", "token_linear"):
        token = encoded.class_tokens[-1]
        if projector.kind == "projection":  # the publication leaves the norm out
            epsilon = float(tensors["norm_epsilon"])
            token = layer_norm(token, token.shape[1:], tensors["norm_weight"], tensors["norm_bias"], epsilon)
        return module(token)
    positions = encoded.levels[-1].flatten(2).mT
    if encoded.class_tokens and projector.kind == "latent_pool":
        positions = torch.cat([encoded.class_tokens[-1][:, None], positions], 1)
    return module(positions)


def learns(projector: Projector, encoded: Encoded, mode: Any) -> bool:
    """A step of LDC on these levels changes what its adapter of the first level does."""
    features = level_features(encoded, mode)
    levels, tokens = [level.float() for level in features.levels], [token.float() for token in features.class_tokens]
    channels = tuple(level.shape[1] for level in levels)
    torch.manual_seed(0)
    model = LDC(shape_for(channels, encoded.embedding.shape[1], 2, projector), projector)
    before = [parameter.clone() for parameter in model.maf.parameters()]
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    model.train()(levels, tokens, torch.randn(len(encoded.embedding), 2)).fused.square().sum().backward()
    optimiser.step()
    after = list(model.maf.parameters())
    return all(bool(value.isfinite().all()) for value in after) and not torch.equal(before[0], after[0])
