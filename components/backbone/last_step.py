"""The arithmetic of an image tower's last step, as plain tensors by name; a step without its tensors is left out.

`norm_weight`, `norm_bias` (C), `norm_epsilon` (): layer norm before the linear layer `output_weight` (d, C) with
`output_bias` (d). A latent pool has before them:
`before_weight`, `before_bias`, `before_epsilon`: layer norm on each token;
`key` (heads, C): each head's score of a token, with the learnt query multiplied in;
`value_weight` (D, C) with `value_bias` (D), and `attended_weight` (D, D) with `attended_bias`: the token's value;
`mlp_norm_*`, `mlp1_*`, `mlp2_*`: an MLP beside a residual, its GELU by tanh if `mlp_tanh` is there.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["attended", "copied", "latent_pool", "linear_end", "norm_and_linear", "norm_tensors"]


def norm_and_linear(tensors: Mapping[str, Tensor], vectors: Tensor) -> Tensor:
    """(..., C) to (..., d): layer norm and linear layer, as far as they are there."""
    return _linear(tensors, "output", _norm(tensors, "norm", vectors))


def attended(tensors: Mapping[str, Tensor], heads: int, tokens: Tensor) -> Tensor:
    """Tokens (n, T, C) to embeddings (n, d) by a latent pool."""
    tokens = _norm(tensors, "before", tokens)
    attention = torch.softmax(tokens @ tensors["key"].T, 1)  # (n, T, heads)
    context = attention.mT @ tokens  # (n, heads, C)
    by_head = tensors["value_weight"].view(heads, -1, tokens.shape[-1])
    pooled = torch.einsum("nhc,hdc->nhd", context, by_head).flatten(1) + tensors["value_bias"]
    pooled = _linear(tensors, "attended", pooled)
    if "mlp1_weight" in tensors:
        inner = _linear(tensors, "mlp1", _norm(tensors, "mlp_norm", pooled))
        inner = F.gelu(inner, approximate="tanh" if "mlp_tanh" in tensors else "none")
        pooled = pooled + _linear(tensors, "mlp2", inner)
    return norm_and_linear(tensors, pooled)


def latent_pool(pool: Any) -> tuple[int, dict[str, Tensor]]:
    """(heads, tensors) of timm's `AttentionPoolLatent` or open_clip's `AttentionalPooler`, whose first query counts."""
    if hasattr(pool, "latent"):
        query, heads = pool.q(pool.latent[0, 0]), int(pool.num_heads)
        key_weight, value_weight = pool.kv.weight.chunk(2)
        value_bias = torch.zeros_like(value_weight[:, 0]) if pool.kv.bias is None else pool.kv.bias.chunk(2)[1]
        tensors = _linear_tensors("attended", pool.proj)
        if pool.mlp is not None:
            tensors |= norm_tensors("mlp_norm", pool.norm)
            tensors |= _linear_tensors("mlp1", pool.mlp.fc1) | _linear_tensors("mlp2", pool.mlp.fc2)
            if _by_tanh(pool.mlp.act):
                tensors |= {"mlp_tanh": torch.ones(())}
    else:
        attention, heads = pool.attn, int(pool.attn.num_heads)
        width = attention.embed_dim
        if attention.in_proj_weight is None:
            weights = (attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight)
        else:
            weights = attention.in_proj_weight.split(width)
        query_bias, _, value_bias = attention.in_proj_bias.split(width)
        query = F.linear(pool.ln_q(pool.query[:1])[0], weights[0], query_bias)
        key_weight, value_weight = weights[1:]
        tensors = norm_tensors("before", pool.ln_k) | _linear_tensors("attended", attention.out_proj)
    by_head = query.view(heads, 1, -1) / math.sqrt(len(query) // heads)
    key = torch.bmm(by_head, key_weight.view(heads, -1, key_weight.shape[1]))[:, 0]
    return heads, tensors | {"key": key, "value_weight": value_weight, "value_bias": value_bias}


def norm_tensors(name: str, norm: Any) -> dict[str, Tensor]:
    """The tensors of a layer norm; empty for any other module."""
    if not isinstance(norm, nn.LayerNorm):
        return {}
    return {f"{name}_weight": norm.weight, f"{name}_bias": norm.bias, f"{name}_epsilon": torch.tensor(norm.eps)}


def linear_end(*layers: Any) -> dict[str, Tensor]:
    """Consecutive linear layers multiplied into one; other modules are skipped."""
    weight: Tensor | None = None
    bias: Tensor | None = None
    for layer in layers:
        if not isinstance(layer, nn.Linear):
            continue
        own = layer.weight.float()
        bias = None if bias is None else own @ bias
        if layer.bias is not None:
            bias = layer.bias.float() if bias is None else bias + layer.bias.float()
        weight = own if weight is None else own @ weight
    tensors = {"output_weight": weight, "output_bias": bias}
    return {name: tensor for name, tensor in tensors.items() if tensor is not None}


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU, float32."""
    return {name: tensor.detach().float().cpu().contiguous().clone() for name, tensor in tensors.items()}


def _by_tanh(activation: Any) -> bool:
    return getattr(activation, "approximate", "none") == "tanh" or "tanh" in type(activation).__name__.lower()


def _linear_tensors(name: str, layer: Any) -> dict[str, Tensor]:
    if not isinstance(layer, nn.Linear):
        return {}
    return {f"{name}_weight": layer.weight} | ({} if layer.bias is None else {f"{name}_bias": layer.bias})


def _linear(tensors: Mapping[str, Tensor], name: str, rows: Tensor) -> Tensor:
    weight = tensors.get(f"{name}_weight")
    return rows if weight is None else F.linear(rows, weight, tensors.get(f"{name}_bias"))


def _norm(tensors: Mapping[str, Tensor], name: str, rows: Tensor) -> Tensor:
    if f"{name}_weight" not in tensors:
        return rows
    weight, bias = tensors[f"{name}_weight"], tensors[f"{name}_bias"]
    return F.layer_norm(rows, weight.shape, weight, bias, float(tensors[f"{name}_epsilon"]))
