"""Small checkpoints in open_clip's form, with drawn weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from components.backbone.open_clip_import import import_open_clip

TEXT = {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1}


RESNET = {"layers": [1, 1, 1, 1], "width": 8, "image_size": 64}


VIT = {"layers": 8, "width": 32, "head_width": 16, "patch_size": 8, "image_size": 32}


def make_checkpoint(folder: Path, vision: dict[str, Any], quick_gelu: bool = False, seed: int = 0) -> Path:
    folder.mkdir()
    model_cfg = {"embed_dim": 24, "quick_gelu": quick_gelu, "vision_cfg": vision, "text_cfg": TEXT}
    torch.manual_seed(seed)
    model = import_open_clip().CLIP(**model_cfg)
    settings = {
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "interpolation": "bicubic",
        "resize_mode": "shortest",
    }
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": model_cfg, "preprocess_cfg": settings}))
    save_file(
        {key: value.half().contiguous() for key, value in model.state_dict().items()},
        folder / "open_clip_model.safetensors",
    )
    return folder
