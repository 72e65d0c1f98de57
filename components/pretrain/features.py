"""What the image tower's trunk reads of pictures: read once, kept in the run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from components.files import atomic_path, digest
from components.pretrain.architecture import MEAN, STD
from components.pretrain.pictures import Pictures

__all__ = ["kept_features", "trunk_features"]

_BATCH = 16
_PART = 150  # pictures in one file


@torch.inference_mode()
def trunk_features(trunk: Any, pictures: Pictures, rows: Tensor, side: int) -> Tensor:
    """Features `(len(rows), width)`, float32, of pictures enlarged to `side` pixels: the last map's mean over positions."""
    trunk = trunk.eval().to(memory_format=torch.channels_last)
    mean, spread = (torch.tensor(values).view(3, 1, 1) for values in (MEAN, STD))
    parts = []
    for batch in rows.split(_BATCH):
        pixels = pictures.batch(batch).permute(0, 3, 1, 2).float() / 255
        pixels = F.interpolate(pixels, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
        pixels = (pixels.clamp(0, 1) - mean) / spread
        parts.append(trunk(pixels.contiguous(memory_format=torch.channels_last)))
    return torch.cat(parts)


def kept_features(trunk: Any, pictures: Pictures, side: int, run: Path) -> Tensor:
    """`trunk_features` of all pictures, part by part; parts that an earlier call left in `run` are read from there."""
    from safetensors.torch import load_file, save_file

    weights = {name: float(tensor.double().sum()) for name, tensor in trunk.state_dict().items()}
    parts = []
    for rows in torch.arange(len(pictures.labels)).split(_PART):
        facts = [weights, side, [pictures.members[row] for row in rows.tolist()]]
        kept = run / "features" / f"{digest(facts)[:16]}.safetensors"
        if not kept.exists():
            with atomic_path(kept) as beside:
                save_file({"features": trunk_features(trunk, pictures, rows, side)}, beside)
        parts.append(load_file(kept)["features"])
    return torch.cat(parts)
