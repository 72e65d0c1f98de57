"""LDC from the cache against the live loop, and a step against its bare matrix products.

    python benchmarks/ldc_speed.py FOLDER [--backbone embedded | ViT-B-16] [--levels pooled grid full]
                                   [--images 256] [--steps 12] [--rounds 3]

The live loop decodes, crops and encodes a fresh view of each image at every step, then takes the very step that
training from the cache takes. Each round measures, one after the other: decode + encode of a batch, a step from held
features, a step of the live loop. The ceiling is 1 + (decode + encode) / step; the speed-up is live / cached; medians
of the rounds. ViT-B-16 has random weights: for speed only. One thread; times are processor seconds of the process. Bare products: the matrix products of forward
and backward of one step, each by itself.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from random_backbone import backbone_for_times
from torch import Tensor

from components.backbone import Backbone, Projector
from components.features import FeatureCache, LevelMode, View, encode_missing, feature_key
from components.files import sha256_file
from components.ldc import OURS, HeldViews, LiveViews, Shape, shape_for, train_ldc
from components.ldc.sources import ViewSource
from components.ldc.start import ZeroShotStart

N_CLASSES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--levels", nargs="*", default=["pooled", "grid", "full"])
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    backbone = backbone_for_times(arguments.backbone)
    paths = sorted(path for path in arguments.folder.rglob("*") if path.suffix in (".jpg", ".webp", ".png"))
    files = {sha256_file(path): path for path in paths[:: max(1, len(paths) // arguments.images)][: arguments.images]}
    print(
        "| levels | decode + encode ms | cached step ms | live step ms | speed-up | ceiling | share | bare ms | bare / step |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for mode in arguments.levels:
        measure(backbone, files, mode, arguments.steps, arguments.rounds)


def measure(backbone: Backbone, files: dict[str, Path], mode: LevelMode, steps: int, rounds: int) -> None:
    assert backbone.projector is not None
    recipe = replace(OURS, level_mode=mode, start="zero_shot", most_steps=None)
    labels = torch.arange(len(files)) % N_CLASSES
    text = torch.nn.functional.normalize(torch.randn(N_CLASSES, width(backbone)), dim=1)
    with tempfile.TemporaryDirectory() as folder:
        cache, views = FeatureCache(Path(folder)), [View(image) for image in files]
        encode_missing(views, files, backbone, cache, mode=mode)
        held = HeldViews(cache.read([feature_key(v, backbone.identity.digest, mode) for v in views], mapped=True))
        live = LiveViews(list(files), files, backbone, mode)
        random = torch.Generator().manual_seed(0)
        images = torch.arange(2 * recipe.batch_size) % len(files)

        def run(source: ViewSource, epochs: int) -> Callable[[], Any]:
            start, chosen = ZeroShotStart(text), images[: 2 * recipe.batch_size]
            several = replace(recipe, epochs=epochs)
            return lambda: train_ldc(source, labels, start, backbone.projector, several, images=chosen)  # type: ignore[arg-type]

        def per_step(source: ViewSource, epochs: int) -> float:
            """Seconds a step without what a training does once: epochs of two steps, less the first."""
            return (seconds(run(source, epochs)) - seconds(run(source, 1))) / (2 * (epochs - 1))

        rows = []
        for _ in range(rounds):
            encode = seconds(lambda: live.batch(images[: recipe.batch_size], random))
            rows.append((encode, per_step(held, 1 + steps // 2), per_step(live, 3)))
        features = held.batch(images[: recipe.batch_size], random)
    encode, cached, alive = (median(column) for column in zip(*rows, strict=True))
    channels = tuple(level.shape[1] for level in features.levels)
    positions = [level[0, 0].numel() for level in features.levels]
    tokens = 1 if features.class_tokens else 0
    shape = shape_for(channels, width(backbone), N_CLASSES, backbone.projector)
    bare = median(bare_products(shape, backbone.projector, positions, tokens, recipe.batch_size) for _ in range(5))
    ceiling, gain = 1 + encode / cached, alive / cached
    print(
        f"| {mode} | {1e3 * encode:.0f} | {1e3 * cached:.1f} | {1e3 * alive:.0f} | {gain:.1f} | {ceiling:.1f} "
        f"| {gain / ceiling:.2f} | {1e3 * bare:.1f} | {bare / cached:.2f} |",
        flush=True,
    )


def bare_products(shape: Shape, projector: Projector, positions: list[int], tokens: int, batch: int) -> float:
    """Seconds of the matrix products of one step, fusion 2: (rows, inputs, outputs, how many of the three)."""
    d, K, C = shape.embedding_width, shape.n_classes, shape.map_width
    products = [
        (batch * (n + tokens), c, C, ("forward", "weight"))
        for n, c in zip(positions, shape.level_channels, strict=True)
    ]
    frozen = ("forward", "input")
    if projector.kind == "projection":
        products.append((batch, C, d, frozen))
    elif positions[-1] == 1:
        spots = projector.heads * (projector.patches + 1)
        products += [(batch, C, spots, frozen), (batch, C, d, frozen), (batch, spots, d, frozen)]
    else:
        products += [(batch, C, C, frozen)] * 3 + [(batch, C, d, frozen)]
        products += [(batch * projector.heads, C, projector.patches + 1, ("forward", "input", "input"))] * 2
    every = ("forward", "input", "weight")
    h, m = shape.branch_hidden, shape.mlp_hidden
    for inputs, hidden, outputs in ((d, m, K), (d, h, h), (h, h, K), (d, shape.gate_hidden, 1)):
        products += [(batch, inputs, hidden, every), (batch, hidden, outputs, every)]
    products += [(batch, K, h, ("forward", "weight")), (batch, h, h, every)]
    total = 0.0
    for rows, inputs, outputs, parts in products:
        x, w, g = torch.randn(rows, inputs), torch.randn(outputs, inputs), torch.randn(rows, outputs)
        works: dict[str, Callable[[], Tensor]] = {
            "forward": lambda x=x, w=w: x @ w.T,  # type: ignore[misc]
            "input": lambda g=g, w=w: g @ w,  # type: ignore[misc]
            "weight": lambda g=g, x=x: g.T @ x,  # type: ignore[misc]
        }
        total += sum(median(seconds(works[part]) for _ in range(3)) for part in parts)
    return total


def width(backbone: Backbone) -> int:
    assert backbone.projector is not None
    tensors = backbone.projector.tensors
    return len(tensors["output_weight"]) if "output_weight" in tensors else tensors["projection"].shape[1]


def seconds(work: Callable[[], Any]) -> float:
    """Processor seconds of this process: the same on a machine that others use too."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
