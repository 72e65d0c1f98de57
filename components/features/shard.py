"""One shard: a safetensors file of features that carries its own keys."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from components.features.carriers import Features
from components.files import sha256_bytes

__all__ = ["KEYS", "save_shard", "shard_id", "shard_keys"]

KEYS = "keys"
"""Name of the tensor that holds the keys, (n, 32) uint8."""


def shard_id(keys: Sequence[str]) -> str:
    """The name of the shard that holds `keys` in this order: 32 hexadecimal digits of their SHA-256."""
    return sha256_bytes("".join(keys).encode())[:32]


def save_shard(path: Path, keys: Sequence[str], features: Features) -> None:
    """Write the rows of `keys` to `path`; the same rows give the same bytes."""
    tensors = {KEYS: torch.frombuffer(bytearray.fromhex("".join(keys)), dtype=torch.uint8).reshape(len(keys), 32)}
    tensors["embedding"] = features.embedding.contiguous()
    for number, level in enumerate(features.levels, 1):
        tensors[f"level_{number}"] = level.half().contiguous()
    for number, token in enumerate(features.class_tokens, 1):
        tensors[f"class_token_{number}"] = token.half().contiguous()
    save_file(tensors, path)


def shard_keys(path: Path) -> list[str]:
    """The keys of a shard, row by row; raises `SafetensorError` where it is damaged, `OSError` where it is gone."""
    with safe_open(path, framework="numpy") as file:
        text = np.ascontiguousarray(file.get_tensor(KEYS)).tobytes().hex()
    return [text[start : start + 64] for start in range(0, len(text), 64)]
