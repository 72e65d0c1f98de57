"""The four feature maps of an image tower that LDC reads, for every kind of tower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

__all__ = ["Read", "has_levels", "read_levels"]

_BEFORE_THE_LAST = (7, 5, 3, 1)  # LDC's levels: the last block and the second, fourth and sixth before it


@dataclass(frozen=True)
class Read:
    """What one forward pass of an image tower gives.

    Attributes:
        embedding: (b, d), not normalised.
        maps: the four levels, (b, c_k, h_k, w_k), first to last.
        class_tokens: the class token at each level, (b, c_k); empty if the tower has none.
    """

    embedding: Tensor
    maps: tuple[Tensor, ...]
    class_tokens: tuple[Tensor, ...]


def has_levels(visual: Any) -> bool:
    """Whether `read_levels` can read this tower of open_clip."""
    return hasattr(visual, "forward_intermediates")


def read_levels(visual: Any, pixels: Tensor) -> Read:
    """Embedding and levels in one forward pass.

    A transformer's levels are the tokens of its last block and of the second, fourth and sixth block before it. A
    convolutional network's levels are its last three stages and the map from which the embedding is made, or its four
    stages if that map is the last stage.
    """
    blocks = _blocks(visual)
    if blocks is None:
        return _convolutional(visual, pixels)
    indices = [max(0, len(blocks) - back) for back in _BEFORE_THE_LAST]
    read = visual.forward_intermediates(pixels, indices=indices, output_extra_tokens=True)
    prefixes = read.get("image_intermediates_prefix") or ()
    tokens = tuple(prefix[:, 0] for prefix in prefixes if prefix is not None and prefix.shape[1])
    return Read(read["image_features"], tuple(read["image_intermediates"]), tokens)


def _blocks(visual: Any) -> Sequence[Any] | None:
    """The transformer's blocks; None if the tower is no plain transformer."""
    own = getattr(getattr(visual, "transformer", None), "resblocks", None)
    if own is not None:
        return own  # type: ignore[no-any-return]
    trunk = getattr(visual, "trunk", None)
    if trunk is not None and hasattr(trunk, "num_prefix_tokens"):
        return trunk.blocks  # type: ignore[no-any-return]
    return None


def _convolutional(visual: Any, pixels: Tensor) -> Read:
    trunk = getattr(visual, "trunk", None)
    if trunk is None:
        # CLIP's ResNet gives its stem first.
        read = visual.forward_intermediates(pixels)
        return Read(read["image_features"], tuple(read["image_intermediates"][-4:]), ())
    last, stages = trunk.forward_intermediates(pixels)
    embedding = visual.head(trunk.forward_head(last))
    maps = [*stages, last] if last.shape != stages[-1].shape else [*stages[:-1], last]
    return Read(embedding, tuple(maps[-4:]), ())
