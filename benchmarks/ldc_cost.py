"""What LDC adds to the backbone at inference: weights, multiply-adds, time.

    python benchmarks/ldc_cost.py [--backbones embedded RN50 ViT-B-16] [--batch 8] [--rounds 7]

RN50 and ViT-B-16 have random weights; 100 classes; one thread, 32 bits, processor seconds. Each round times the backbone
with its levels, then LDC on them, one after the other; medians. LDC reads the levels whole (as published), on grids or
pooled; averaging them is counted with LDC.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from lib.random_backbone import backbone_for_times
from torch.utils.flop_counter import FlopCounterMode

from components.features import LEVEL_MODES, Features, LevelMode, level_features
from components.ldc import FORMS, LDC, shape_for

N_CLASSES = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="*", default=["embedded", "RN50", "ViT-B-16"])
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(
        "| backbone | form | levels | learnt weights | of the tower's | multiply-adds | of the tower's | ms an image | of the tower's |"
    )
    print("|---|---|---|---:|---:|---:|---:|---:|---:|")
    for name in arguments.backbones:
        measure(name, arguments.batch, arguments.rounds)


@torch.inference_mode()
def measure(name: str, batch: int, rounds: int) -> None:
    backbone = backbone_for_times(name)
    assert backbone.projector is not None
    side = backbone._model.visual.image_size
    side = side[0] if isinstance(side, tuple) else side
    pixels = torch.randn(batch, 3, side, side)
    tower = sum(parameter.numel() for parameter in backbone._model.visual.parameters())
    encoded = backbone.encode_images(pixels, levels=True)
    tower_products = products(lambda: backbone.encode_images(pixels, levels=True))
    d = encoded.embedding.shape[1]
    start = torch.randn(batch, N_CLASSES)
    for form in FORMS:
        channels = tuple(level.shape[1] for level in encoded.levels)
        model = LDC(shape_for(channels, d, N_CLASSES, backbone.projector, form=form), backbone.projector).eval()
        learnt = sum(parameter.numel() for parameter in model.parameters())
        for mode in LEVEL_MODES:

            def added(mode: LevelMode = mode, model: LDC = model) -> Any:
                read = in_32_bits(level_features(encoded, mode))
                return model(read.levels, read.class_tokens, start)

            times = [
                (seconds(lambda: backbone.encode_images(pixels, levels=True)), seconds(added)) for _ in range(rounds)
            ]
            alone, more = (median(column) for column in zip(*times, strict=True))
            count = products(added)
            print(
                f"| {name} | {form} | {mode} | {learnt / 1e6:.2f} M | {100 * learnt / tower:.1f} % "
                f"| {count / batch / 1e6:.1f} M | {100 * count / tower_products:.1f} % "
                f"| {1e3 * more / batch:.2f} | {100 * more / alone:.1f} % |",
                flush=True,
            )


def in_32_bits(features: Features) -> Features:
    return replace(
        features,
        levels=tuple(level.float() for level in features.levels),
        class_tokens=tuple(token.float() for token in features.class_tokens),
    )


def products(work: Callable[[], Any]) -> float:
    """Multiply-adds of convolutions, matrix products and attention."""
    torch.backends.mha.set_fastpath_enabled(False)  # whose attention the counter does not see
    with FlopCounterMode(display=False) as counter:
        work()
    torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() / 2


def seconds(work: Callable[[], Any]) -> float:
    """Processor seconds of this process: the same on a machine that others use too."""
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    main()
