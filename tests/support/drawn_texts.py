"""A text tower that draws its embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from components.backbone import BackboneIdentity


class TextBackbone:
    """Texts to drawn vectors; counts what it encodes."""

    def __init__(self, n_words: int = 1200, weights: str = "0" * 64) -> None:
        self.identity = BackboneIdentity("fake", weights, {}, "fp32", "cpu")
        self.encoded = 0
        self._words = [f"word{number}" for number in range(n_words)]

    def words(self) -> list[str]:
        return self._words

    def encode_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor:
        self.encoded += len(texts)
        seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") for text in texts]
        rows = [torch.randn(16, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
        return normalize(torch.stack(rows) * torch.linspace(3, 0.1, 16), dim=1)
