"""LDC on 1,000 classes x 16 photos of drawn features, 512 wide: seconds and the most memory.

    python benchmarks/ldc_scale.py [--classes 1000] [--shots 16] [--levels pooled|grid] [--start map_lr|zero_shot]

The features are drawn (class centres and noise), as wide as the embedded backbone's; nothing is encoded. The whole fit
is measured: the search, the folds, the kept model.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch
from lib.photo_sets import MODELS
from torch.nn.functional import normalize

from components.backbone import load_backbone
from components.features import Features
from components.heads import Support
from components.ldc import FitProgress, LdcSettings, fit_ldc

CHANNELS = (96, 192, 384, 768)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classes", type=int, default=1000)
    parser.add_argument("--shots", type=int, default=16)
    parser.add_argument("--levels", choices=["pooled", "grid"], default="pooled")
    parser.add_argument("--start", choices=["map_lr", "zero_shot"], default="map_lr")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # trainings run side by side, a thread each
    support = drawn(arguments.classes, arguments.shots, grid=arguments.levels == "grid")
    before = peak_gib()
    start, worked = time.perf_counter(), time.process_time()

    def tell(now: FitProgress) -> None:
        seconds, processor = time.perf_counter() - start, time.process_time() - worked
        print(
            f"epoch {now.done} of {now.planned}: loss {now.epoch.loss:.2f}, {seconds:.0f} s, "
            f"{processor:.0f} processor seconds, {peak_gib():.2f} GiB",
            flush=True,
        )

    fit = fit_ldc(support, LdcSettings(level_mode=arguments.levels, start=arguments.start), progress=tell)
    held = ~fit.out_of_fold[0].isnan().any(1)
    right = (fit.out_of_fold[0][held].argmax(1) == support.labels[held]).double().mean()
    print(
        f"{time.perf_counter() - start:.0f} s, {time.process_time() - worked:.0f} processor seconds; at most "
        f"{peak_gib():.2f} GiB ({before:.2f} before the fit); out of fold {100 * right:.1f} %"
    )


def drawn(n_classes: int, shots: int, *, grid: bool) -> Support:
    backbone = load_backbone("embedded", models=MODELS)
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(n_classes).repeat_interleave(shots)
    centres = torch.randn(n_classes, 512, generator=random)
    rows = centres[labels] + 2.5 * torch.randn(len(labels), 512, generator=random)
    levels = tuple(torch.relu(rows @ torch.randn(512, c, generator=random) / 30).half() for c in CHANNELS)
    if grid:
        levels = tuple(level[:, :, None, None].expand(-1, -1, 3, 3).contiguous() for level in levels)
    images = torch.arange(len(labels))
    return Support(
        features=Features(normalize(rows, dim=1), levels),
        labels=labels,
        images=images,
        groups=images,
        views=torch.zeros_like(images),
        n_classes=n_classes,
        text_embeddings=normalize(centres + 3 * torch.randn(n_classes, 512, generator=random), dim=1),
        projector=backbone.projector,
    )


def peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


if __name__ == "__main__":
    main()
