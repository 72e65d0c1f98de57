"""Backbones of published sizes with random weights: for times and counts only."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import torch
from safetensors.torch import save_file

from components.backbone import Backbone, load_backbone
from components.backbone.open_clip_import import import_open_clip

from .photo_sets import MODELS

SETTINGS = {
    "mean": [0.48, 0.46, 0.41],
    "std": [0.27, 0.26, 0.28],
    "interpolation": "bicubic",
    "resize_mode": "shortest",
}


def backbone_for_times(name: str) -> Backbone:
    """`embedded`, or an open_clip model with random weights (RN50, ViT-B-16); 32 bits."""
    if name == "embedded":
        return load_backbone(name, models=MODELS, precision="fp32")
    open_clip = import_open_clip()
    torch.manual_seed(0)
    model = open_clip.create_model(name, None)
    with tempfile.TemporaryDirectory() as folder:
        content = {"model_cfg": open_clip.get_model_config(name), "preprocess_cfg": SETTINGS}
        (Path(folder) / "open_clip_config.json").write_text(json.dumps(content))
        tensors = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
        save_file(tensors, Path(folder) / "open_clip_model.safetensors")
        return load_backbone(folder, models=MODELS, precision="fp32")
