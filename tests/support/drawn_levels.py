"""Drawn support sets with levels and a projector: class centres that the levels show, and words near them."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.backbone import Projector
from components.features import Features
from components.heads import Support
from components.ldc import LdcSettings
from tests.support.drawn_rows import drawn_support

CHANNELS, D, GRID, HEADS = (6, 8, 10, 16), 12, 2, 4


def attention_pool() -> Projector:
    draw = torch.Generator().manual_seed(5)
    width = CHANNELS[-1]
    tensors = {"positional_embedding": torch.randn(1 + GRID * GRID, width, generator=draw) / 4}
    for name in ("query", "key", "value", "output"):
        outputs = D if name == "output" else width
        tensors[f"{name}_weight"] = torch.randn(outputs, width, generator=draw) / width**0.5
        tensors[f"{name}_bias"] = torch.zeros(outputs)
    return Projector("attention_pool", tensors, HEADS, GRID * GRID)


def projection() -> Projector:
    tensor = torch.randn(CHANNELS[-1], D, generator=torch.Generator().manual_seed(5))
    return Projector("projection", {"projection": tensor}, 0, GRID * GRID)


def with_levels(support: Support, *, mode: str = "pooled", vit: bool = False) -> Support:
    """The support set with four levels that are random views of its embeddings, and the projector they go through."""
    draw = torch.Generator().manual_seed(9)
    embedding = support.features.embedding
    sides = {"pooled": (0,) * 4, "grid": (GRID,) * 4, "full": (4 * GRID, 2 * GRID, GRID, GRID)}[mode]
    channels = (CHANNELS[-1],) * 4 if vit else CHANNELS
    sides = (GRID,) * 4 if vit and mode == "full" else sides
    levels = tuple(_level(embedding, c, side, draw) for c, side in zip(channels, sides, strict=True))
    tokens = tuple(_level(embedding, c, 0, draw) for c in channels) if vit else ()
    features = Features(embedding, levels, tokens)
    return replace(support, features=features, projector=projection() if vit else attention_pool())


def drawn(
    n_classes: int = 4,
    shots: int | list[int] = 6,
    *,
    mode: str = "pooled",
    vit: bool = False,
    views: int = 1,
    noise: float = 0.9,
    seed: int = 0,
) -> Support:
    """A support set that LDC can be fitted on."""
    support = drawn_support(n_classes, shots, D, noise=noise, word_noise=1.0, views=views, seed=seed)
    return with_levels(support, mode=mode, vit=vit)


def _level(embedding: Tensor, channels: int, side: int, draw: torch.Generator) -> Tensor:
    means = torch.relu(normalize(embedding, dim=1) @ torch.randn(embedding.shape[1], channels, generator=draw))
    if not side:
        return means
    return means[:, :, None, None] * (0.5 + torch.rand(len(embedding), channels, side, side, generator=draw))


QUICK = LdcSettings(epochs=4)
