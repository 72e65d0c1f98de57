"""The backbone's frozen projector as a module: gradients flow through it, its own weights stay."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from components.backbone import Projector, attended, norm_and_linear

__all__ = [
    "AttentionPool",
    "LatentPool",
    "MeanProjection",
    "TokenProjection",
    "VectorProjection",
    "position_projection",
    "projection_module",
    "reads_positions",
    "token_projection",
]


class AttentionPool(nn.Module):
    """CLIP's attention pool: the mean position is the query, all positions and the mean are keys and values.

    There is only one query, so keys and values of the positions are never formed: the query is multiplied by the key
    weights, and the weighted sum of positions by the value weights. The result is the same, and a product with the
    width squared is needed once per image instead of once per position. The key's bias adds the same to all scores and
    drops out of the softmax.
    """

    positional_embedding: Tensor
    query_weight: Tensor
    query_bias: Tensor
    key_weight: Tensor
    value_weight: Tensor
    value_bias: Tensor
    output_weight: Tensor
    output_bias: Tensor
    mean_scores: Tensor
    mean_scores_bias: Tensor
    mean_output: Tensor
    position_outputs: Tensor

    def __init__(self, projector: Projector) -> None:
        super().__init__()
        self.heads = projector.heads
        for name, tensor in projector.tensors.items():
            if name != "key_bias":
                self.register_buffer(name, tensor.clone())
        for name, tensor in _for_means(projector).items():
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, positions: Tensor) -> Tensor:
        """(n, g g, C), row-major positions of a map, to (n, d)."""
        n, _, width = positions.shape
        tokens = torch.cat([positions.mean(1, keepdim=True), positions], 1) + self.positional_embedding
        # (heads, n, C / heads), divided by the root of a head's width
        query = F.linear(tokens[:, 0], self.query_weight, self.query_bias) / math.sqrt(width // self.heads)
        query = query.view(n, self.heads, -1).transpose(0, 1)
        through_keys = torch.bmm(query, self.key_weight.view(self.heads, -1, width))  # (heads, n, C)
        attention = torch.softmax(torch.bmm(through_keys.transpose(0, 1), tokens.transpose(1, 2)), 2)
        context = torch.bmm(attention, tokens).transpose(0, 1)  # (heads, n, C)
        values = torch.bmm(context, self.value_weight.view(self.heads, -1, width).transpose(1, 2))
        attended = values.transpose(0, 1).reshape(n, width) + self.value_bias
        return F.linear(attended, self.output_weight, self.output_bias)

    def vectors(self, pooled: Tensor) -> Tensor:
        """(n, C), maps of which only the mean is left, to (n, d): as if every position held the mean.

        All positions then have the same content, which drops out of the softmax; the weight of a position depends on
        its embedding alone. All frozen factors are multiplied beforehand.
        """
        scores = torch.addmm(self.mean_scores_bias, pooled, self.mean_scores)
        attention = torch.softmax(scores.view(pooled.shape[0], self.heads, -1), 2).flatten(1)
        return torch.addmm(self.output_bias, pooled, self.mean_output) + attention @ self.position_outputs


def _for_means(projector: Projector) -> dict[str, Tensor]:
    """The factors of `AttentionPool.vectors`, (C, heads T), (heads T), (C, d) and (heads T, d); T = 1 + g g."""
    w = {name: tensor.double() for name, tensor in projector.tensors.items()}
    embedding, heads = w["positional_embedding"], projector.heads
    positions, width = embedding.shape
    by_head = (heads, width // heads, width)
    keys = (embedding @ w["key_weight"].T).view(positions, heads, -1).permute(1, 2, 0) / math.sqrt(width // heads)
    values = (embedding @ w["value_weight"].T).view(positions, heads, -1).transpose(0, 1)
    scores = torch.bmm(w["query_weight"].view(by_head).transpose(1, 2), keys)  # (heads, C, T)
    asked = (w["query_weight"] @ embedding[0] + w["query_bias"]).view(heads, 1, -1)
    outputs = torch.bmm(values, w["output_weight"].view(-1, heads, width // heads).permute(1, 2, 0))  # (heads, T, d)
    constant = w["output_weight"] @ w["value_bias"]
    tensors = {
        "mean_scores": scores.transpose(0, 1).flatten(1),
        "mean_scores_bias": torch.bmm(asked, keys).flatten(),
        "mean_output": (w["output_weight"] @ w["value_weight"]).T,
        # attention sums to 1 in each head, so the value's bias can be added to the positions' part
        "position_outputs": (outputs + constant / heads).flatten(0, 1),
    }
    dtype = projector.tensors["positional_embedding"].dtype
    return {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}


class TokenProjection(nn.Module):
    """CLIP's projection of a ViT's token to the embedding, without the layer norm before it."""

    projection: Tensor

    def __init__(self, projector: Projector) -> None:
        super().__init__()
        self.register_buffer("projection", projector.tensors["projection"].clone())

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, C) to (n, d)."""
        return tokens @ self.projection


class _Frozen(nn.Module):
    """The tensors of a projector as buffers."""

    def __init__(self, projector: Projector) -> None:
        super().__init__()
        self.heads = projector.heads
        self._names = tuple(projector.tensors)
        for name, tensor in projector.tensors.items():
            self.register_buffer(name, tensor.clone())

    @property
    def tensors(self) -> dict[str, Tensor]:
        return {name: self.get_buffer(name) for name in self._names}


class VectorProjection(_Frozen):
    """Layer norm and linear layer of a timm ViT's token, if the tower has them."""

    def forward(self, tokens: Tensor) -> Tensor:
        """(n, C) to (n, d)."""
        return norm_and_linear(self.tensors, tokens)


class MeanProjection(_Frozen):
    """The mean over positions, then the tower's own layer norm and linear layer, if it has them."""

    def forward(self, positions: Tensor) -> Tensor:
        """(n, T, C), positions of a map in any order, to (n, d)."""
        return self.vectors(positions.mean(1))

    def vectors(self, pooled: Tensor) -> Tensor:
        """(n, C), pooled maps, to (n, d)."""
        return norm_and_linear(self.tensors, pooled)


class LatentPool(_Frozen):
    """A learnt query attends to all positions; then come the tower's MLP, norm and linear layer."""

    def forward(self, positions: Tensor) -> Tensor:
        """(n, T, C), positions of a map in any order, to (n, d)."""
        return attended(self.tensors, self.heads, positions)

    def vectors(self, pooled: Tensor) -> Tensor:
        """(n, C), pooled maps, to (n, d), as if every position held the mean."""
        return attended(self.tensors, self.heads, pooled[:, None])


PositionProjection = AttentionPool | LatentPool | MeanProjection
_OF_POSITIONS: dict[str, type[PositionProjection]] = {
    "attention_pool": AttentionPool,
    "latent_pool": LatentPool,
    "mean_linear": MeanProjection,
}


def position_projection(projector: Projector) -> PositionProjection:
    """The module of a projector that reads all positions of a map."""
    return _OF_POSITIONS[projector.kind](projector)


def token_projection(projector: Projector) -> TokenProjection | VectorProjection:
    """The module of a projector that reads one token."""
    return (TokenProjection if projector.kind == "projection" else VectorProjection)(projector)


def reads_positions(projector: Projector) -> bool:
    """Whether the projector reads all positions of a map; if not, it reads the class token."""
    return projector.kind in _OF_POSITIONS


def projection_module(projector: Projector) -> PositionProjection | TokenProjection | VectorProjection:
    """The module of a projector's kind."""
    return position_projection(projector) if reads_positions(projector) else token_projection(projector)
