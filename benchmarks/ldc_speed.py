"""LDC from the cache against the live loop, and a step against its bare matrix products.

    python benchmarks/ldc_speed.py FOLDER [--backbone embedded | ViT-B-16] [--levels pooled grid full]
                                   [--batch 128] [--steps 12] [--rounds 3]
    python benchmarks/ldc_speed.py FOLDER --accuracy [--classes 20] [--shots 8] [--seeds 1 2 3] [--levels pooled]

The live loop decodes, crops and encodes a fresh view of each image at every step, then takes the very step that
training from the cache takes. Each round measures, one after the other: decode + encode of a batch, steps from held
features, steps of the live loop. The ceiling is 1 + (decode + encode) / step; the speed-up is live / cached; medians
of the rounds. ViT-B-16 has random weights: for speed only. One thread; times are processor seconds of the process.
Bare products: the matrix products of forward and backward of one step, each by itself.

`--accuracy` trains on some classes of a photo set from words, with as many steps each: on one held view, on several, and on
live ones, which are new at every step; top-1 on the test photos of these classes, mean and spread over seeds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, median, stdev
from typing import Any

import torch
from lib.photo_sets import PhotoSet, photo_set
from lib.random_backbone import backbone_for_times
from torch import Tensor

from components.backbone import Backbone, Projector
from components.features import FeatureCache, LevelMode, View, encode_missing, feature_key
from components.files import sha256_file
from components.ldc import OURS, HeldViews, LiveViews, Shape, Training, shape_for
from components.ldc.sources import ViewSource
from components.ldc.start import ZeroShotStart
from components.ldc.training import outputs_of

N_CLASSES = 100
HELD_VIEWS = (1, 5, 17)  # of an image, the clean one among them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--levels", nargs="*", default=["pooled", "grid", "full"])
    parser.add_argument("--batch", type=int, default=OURS.batch_size)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if arguments.accuracy:
        print("| levels, views of each photo | top-1 % |\n|---|---:|")
        for mode in arguments.levels:
            photos = photo_set(arguments.folder, cache=arguments.cache, views=HELD_VIEWS[-1] - 1, levels=mode)
            compare(photos, mode, arguments.classes, arguments.shots, arguments.seeds)
        return
    backbone = backbone_for_times(arguments.backbone)
    paths = sorted(path for path in arguments.folder.rglob("*") if path.suffix in (".jpg", ".webp", ".png"))
    files = {sha256_file(path): path for path in paths[:: len(paths) // arguments.batch][: arguments.batch]}
    print(
        "| backbone, levels | decode + encode ms | cached step ms | live step ms | speed-up | ceiling | share | bare ms "
        "| bare / step |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
    for mode in arguments.levels:
        measure(backbone, arguments.backbone, files, mode, arguments.steps, arguments.rounds)


def measure(backbone: Backbone, name: str, files: dict[str, Path], mode: LevelMode, steps: int, rounds: int) -> None:
    assert backbone.projector is not None
    projector, images = backbone.projector, torch.arange(len(files))
    recipe = replace(OURS, level_mode=mode, start="zero_shot", most_steps=None, batch_size=len(files), epochs=10**6)
    labels = images % N_CLASSES
    start = ZeroShotStart(torch.nn.functional.normalize(torch.randn(N_CLASSES, width(backbone)), dim=1))
    with tempfile.TemporaryDirectory() as folder:
        cache, views = FeatureCache(Path(folder)), [View(image) for image in files]
        encode_missing(views, files, backbone, cache, mode=mode)
        held = HeldViews(cache.read([feature_key(v, backbone.identity.digest, mode) for v in views], mapped=True))
        live = LiveViews(list(files), files, backbone, mode)
        random = torch.Generator().manual_seed(0)
        cached_steps, live_steps = (Training(source, labels, start, projector, recipe) for source in (held, live))
        cached_steps.run(2)  # warm

        def per_step(training: Training, steps: int) -> float:
            """Seconds a step; an epoch is one."""
            return seconds(lambda: training.run(len(training.log) + steps)) / steps

        rows = []
        for _ in range(rounds):
            encode = seconds(lambda: live.batch(images, random))
            rows.append((encode, per_step(cached_steps, steps), per_step(live_steps, 1)))
        features = held.batch(images, random)
    encode, cached, alive = (median(column) for column in zip(*rows, strict=True))
    channels = tuple(level.shape[1] for level in features.levels)
    positions = [level[0, 0].numel() for level in features.levels]
    tokens = 1 if features.class_tokens else 0
    shape = shape_for(channels, width(backbone), N_CLASSES, projector)
    bare = median(bare_products(shape, projector, positions, tokens, len(files)) for _ in range(3))
    ceiling, gain = 1 + encode / cached, alive / cached
    print(
        f"| {name}, {mode} | {1e3 * encode:.0f} | {1e3 * cached:.1f} | {1e3 * alive:.0f} | {gain:.1f} | {ceiling:.1f} "
        f"| {gain / ceiling:.2f} | {1e3 * bare:.1f} | {bare / cached:.2f} |",
        flush=True,
    )


def compare(photos: PhotoSet, mode: LevelMode, n_classes: int, shots: int, seeds: list[int]) -> None:
    """Top-1 of the same recipe on held views and on live ones, mean and spread."""
    recipe = replace(OURS, level_mode=mode, start="zero_shot")
    query, labels = photos.query
    asked, wanted = query[labels < n_classes], labels[labels < n_classes]
    found: dict[str, list[float]] = {f"views held: {n}": [] for n in HELD_VIEWS} | {"live views": []}
    for seed in seeds:
        support = photos.support(shots, seed)
        assert support.text_embeddings is not None
        few = replace(
            support.rows(support.labels < n_classes),
            n_classes=n_classes,
            text_embeddings=support.text_embeddings[:n_classes],
        )
        images = torch.unique(few.images, return_inverse=True)[1]
        held = [few.views < n for n in HELD_VIEWS]
        live = LiveViews(*photos.files_of(few.images.unique().tolist(), shots, seed), photos.backbone, mode)
        sources: list[ViewSource] = [*(HeldViews(few.features[rows], images[rows]) for rows in held), live]
        start = ZeroShotStart.of(few)
        for values, source in zip(found.values(), sources, strict=True):
            assert few.projector is not None
            training = Training(source, few.clean.labels, start, few.projector, recipe, seed=seed)
            training.run()
            outputs = outputs_of(training.model(), asked, None, start.scores(asked), mode)
            values.append(100 * float(((outputs.mlp + outputs.icd).argmax(1) == wanted).double().mean()))
    for name, values in found.items():
        spread = stdev(values) if len(values) > 1 else 0.0
        print(f"| {mode}, {name} | {mean(values):.1f} ± {spread:.1f} |", flush=True)


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
