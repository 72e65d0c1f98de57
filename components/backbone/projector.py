"""The frozen last step of an image tower, from its last feature map to the embedding; LDC passes its own maps through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

__all__ = ["Projector", "projector_of"]


@dataclass(frozen=True)
class Projector:
    """The weights of that step, on the CPU, float32.

    Attributes:
        kind: `attention_pool` (CLIP's ResNet) or `projection` (CLIP's ViT, without its last layer norm).
        tensors: of an attention pool `positional_embedding` (1 + g g, C), `{query,key,value}_weight` (C, C) with
            `_bias` (C), `output_weight` (d, C) with `_bias` (d); of a projection `projection` (C, d), applied from the
            right.
        heads: of the attention pool; 0 for a projection.
        patches: positions of the tower's whole last map, its class token not counted.
    """

    kind: str
    tensors: dict[str, Tensor]
    heads: int
    patches: int


def projector_of(visual: Any) -> Projector | None:
    """The projector of an open_clip image tower; None where the tower ends in another way."""
    pool = getattr(visual, "attnpool", None)
    if pool is not None and hasattr(pool, "c_proj"):
        tensors = {"positional_embedding": pool.positional_embedding}
        for ours, theirs in (("query", "q"), ("key", "k"), ("value", "v"), ("output", "c")):
            linear = getattr(pool, f"{theirs}_proj")
            tensors |= {f"{ours}_weight": linear.weight, f"{ours}_bias": linear.bias}
        return Projector("attention_pool", _copied(tensors), int(pool.num_heads), len(pool.positional_embedding) - 1)
    projection = getattr(visual, "proj", None)
    if isinstance(projection, Tensor) and hasattr(visual, "grid_size"):
        rows, columns = visual.grid_size
        return Projector("projection", _copied({"projection": projection}), 0, int(rows) * int(columns))
    return None


def _copied(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().float().cpu().contiguous().clone() for name, tensor in tensors.items()}
