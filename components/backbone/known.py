"""Backbones worth knowing: what to take for which machine, what is published of each, and what is at hand."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

__all__ = ["ADVISED", "KNOWN", "KnownBackbone", "listed_backbones", "measured_ms"]

_BATCH = 16
_ROUNDS = 3
_WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")  # as open_clip looks for them on a hub


@dataclass(frozen=True)
class KnownBackbone:
    """A row of `shotline backbones`.

    Attributes:
        name: what `--backbone` takes.
        good_for: for which machine or task.
        image_millions: weights of the image tower.
        gflops: of one photo through the image tower.
        licence: of the weights.
        imagenet: published zero-shot top-1 on ImageNet, percent; None where we know of none.
        mean_38: published mean over open_clip's 38 data sets, percent; None likewise.
        needs: the extra of Shotline that it needs; empty if none.
        where: `workspace`, `cached` (the hub's file is on this machine) or `hub`.
        ms: processor milliseconds per photo on one thread, measured here; None if it was not asked for or not at hand.
    """

    name: str
    good_for: str
    image_millions: float | None = None
    gflops: float | None = None
    licence: str = ""
    imagenet: float | None = None
    mean_38: float | None = None
    needs: str = ""
    where: str = "hub"
    ms: float | None = None

    def to_json(self) -> dict[str, Any]:
        """The form that `shotline backbones --json` gives."""
        return asdict(self)


ADVISED = "ViT-B-32-256/datacomp_s34b_b86k"
"""What to take unless there is a reason for another."""

KNOWN = (
    KnownBackbone("embedded", "no hub at hand; any machine", 5.4, 0.8, "research", None, None, "", "workspace"),
    KnownBackbone(ADVISED, "the default: a processor, most tasks", 87.9, 11.5, "MIT", 72.8, 60.9),
    KnownBackbone("ViT-B-32/openai", "as published work has it", 87.9, 8.8, "MIT", 63.3, 52.5),
    KnownBackbone(
        "ViT-B-16/datacomp_xl_s13b_b90k", "finer detail, three times the time", 86.2, 35.1, "MIT", 73.5, 61.5
    ),
    KnownBackbone("ViT-B-16/openai", "LDC as published", 86.2, 35.1, "MIT", 68.3, 56.3),
    KnownBackbone("RN50/openai", "LDC as published", 38.3, 12.2, "MIT", 59.8, 48.1),
    KnownBackbone("EVA02-B-16/merged2b_s8b_b131k", "as ViT-B-16, best on ImageNet", 86.3, 35.1, "MIT", 74.7, 58.9),
    KnownBackbone("convnext_base_w/laion2b_s13b_b82k_augreg", "convolutional levels", 88.2, 40.1, "MIT", 71.5, 58.4),
    KnownBackbone("ViT-B-16-SigLIP2/webli", "names in many languages", 92.9, 35.4, "Apache-2.0", 78.2, None, "hf"),
    KnownBackbone(
        "xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k", "names in many languages", 87.9, 8.8, "MIT", 62.4, 56.4, "hf"
    ),
    KnownBackbone("ViT-L-14/datacomp_xl_s13b_b90k", "a GPU: the best for its size", 304.0, 162.0, "MIT", 79.2, 66.3),
    KnownBackbone("EVA02-L-14-336/merged2b_s6b_b61k", "a GPU, fine detail", 304.4, 381.9, "MIT", 80.4, 65.8),
)
"""Sizes, operations and zero-shot figures: open_clip's docs/model_profile.csv and docs/openclip_results.csv; of SigLIP2
the paper's table. The embedded one's licence and figures: its card."""


def listed_backbones(models: Path | None) -> list[KnownBackbone]:
    """The known backbones and the checkpoints of a workspace, each with the place of its weights.

    Args:
        models: the workspace's `models/`; None outside of one.
    """
    own = [] if models is None else list(_checkpoints(models / "checkpoints"))
    return [*own, *(each if each.where == "workspace" else replace(each, where=_where(each.name)) for each in KNOWN)]


def measured_ms(name: str, models: Path) -> float:
    """Processor milliseconds per photo through the image tower of a backbone at hand: batches of 16, one thread.

    Raises:
        UserInputError, ShotlineError: see `load_backbone`.
    """
    import torch
    from PIL import Image

    from components.backbone.load import load_backbone
    from components.threads import one_thread

    backbone = load_backbone(name, models=models)
    pixels = torch.stack([backbone.preprocess(Image.new("RGB", (256, 256)))] * _BATCH)
    times = []
    with one_thread():
        for _ in range(1 + _ROUNDS):
            begun = time.process_time()
            backbone.encode_images(pixels, levels=True)
            times.append(time.process_time() - begun)
    return 1000 * statistics.median(times[1:]) / _BATCH


def _checkpoints(folder: Path) -> Iterator[KnownBackbone]:
    for path in sorted(folder.glob("*/open_clip_config.json")):
        try:
            tower = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]["vision_cfg"].get("timm_model_name", "")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            tower = ""
        said = f"your checkpoint{f', {tower}' if tower else ''}"
        yield KnownBackbone(path.parent.name, said, where="workspace")


def _where(name: str) -> str:
    """`cached` where the hub's file is on this machine, as open_clip and huggingface_hub would find it."""
    from huggingface_hub import try_to_load_from_cache

    from components.backbone.open_clip_import import import_open_clip

    model, _, tag = name.partition("/")
    facts = import_open_clip().get_pretrained_cfg(model, tag) or {}
    repository, file = os.path.split(facts.get("hf_hub", ""))
    if repository:
        files = (file,) if file else _WEIGHTS
        if any(isinstance(try_to_load_from_cache(repository, each), str) for each in files):
            return "cached"
    url = facts.get("url", "")
    return "cached" if url and (Path.home() / ".cache/clip" / Path(url).name).is_file() else "hub"
