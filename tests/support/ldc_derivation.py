"""The fused feature written down a second time, in NumPy and 64 bits, from the parity README's formulas alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Weights = dict[str, Array]  # by the parity files' names, without `param.`, `buffer.` and `frozen.`


def batch_norm(x: Array, w: Weights, part: str, training: bool) -> Array:
    """Over all axes but the channels, which are axis 1."""
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    form = (1, -1, *[1] * (x.ndim - 2))
    mean = x.mean(axes) if training else w[f"{part}.norm_running_mean"]
    variance = x.var(axes) if training else w[f"{part}.norm_running_var"]
    normal = (x - mean.reshape(form)) / np.sqrt(variance.reshape(form) + 1e-5)
    return normal * w[f"{part}.norm_scale"].reshape(form) + w[f"{part}.norm_shift"].reshape(form)


def block(x: Array, w: Weights, part: str, training: bool) -> Array:
    inner = np.maximum(batch_norm(x @ w[f"{part}.linear1_weight"].T, w, part, training), 0)
    return inner @ w[f"{part}.linear2_weight"].T


def attention_pool(maps: Array, w: Weights, heads: int) -> Array:
    tokens = maps.reshape(*maps.shape[:2], -1).transpose(0, 2, 1)
    tokens = np.concatenate([tokens.mean(1, keepdims=True), tokens], 1)
    tokens = tokens + w["attention_pool.positional_embedding"]
    q, k, v = (
        tokens @ w[f"attention_pool.{name}_weight"].T + w[f"attention_pool.{name}_bias"]
        for name in ("query", "key", "value")
    )
    width = tokens.shape[2] // heads
    results = []
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        scores = np.einsum("nc,ntc->nt", q[:, 0, own], k[:, :, own]) / np.sqrt(width)
        weights = np.exp(scores - scores.max(1, keepdims=True))
        weights /= weights.sum(1, keepdims=True)
        results.append(np.einsum("nt,ntc->nc", weights, v[:, :, own]))
    return np.concatenate(results, 1) @ w["attention_pool.output_weight"].T + w["attention_pool.output_bias"]


def resnet_fused(levels: list[Array], w: Weights, fusion: int, heads: int, training: bool) -> Array:
    """Levels (n, c, h, w)."""
    side = levels[-1].shape[2]
    adapted = []
    for number, level in enumerate(levels, 1):
        part = f"maf.level_{number}"
        convolved = np.einsum("dc,nchw->ndhw", w[f"{part}.linear_weight"], level)
        active = np.maximum(batch_norm(convolved, w, part, training), 0)
        n, width, height, _ = active.shape
        kernel = height // side
        adapted.append(active.reshape(n, width, side, kernel, side, kernel).mean((3, 5)))
    if fusion == 1:
        return attention_pool(sum(adapted) / 4, w, heads)
    if fusion == 2:
        return attention_pool(sum(f * a for f, a in zip((0.1, 0.2, 0.3, 0.4), adapted, strict=True)), w, heads)
    joined = np.concatenate([attention_pool(a, w, heads) for a in adapted], 1)
    return block(joined, w, "maf.fusion", training)


def vit_fused(levels: list[Array], w: Weights, fusion: int, training: bool) -> Array:
    """Levels (n, tokens, c)."""
    vectors = []
    for number, tokens in enumerate(levels, 1):
        part = f"maf.level_{number}"
        x = tokens @ w[f"{part}.linear_weight"].T
        x = (x - x.mean(2, keepdims=True)) / np.sqrt(x.var(2, keepdims=True) + 1e-5)
        x = x * w[f"{part}.norm_scale"] + w[f"{part}.norm_shift"]
        vectors.append(np.maximum(x, 0).mean(1))
    if fusion == 1:
        u = sum(vectors) / 4
    elif fusion == 2:
        u = 0.1 * vectors[0] + 0.2 * vectors[1] + 0.3 * vectors[2] + 0.4 * vectors[3]
    else:
        u = block(np.concatenate(vectors, 1), w, "maf.fusion", training)
    return u @ w["projection"]
