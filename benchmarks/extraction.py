"""Extraction of features: against a bare decode-and-forward loop, and a second run against the first.

    python benchmarks/extraction.py PHOTOS [--backbone embedded] [--images 1500] [--rounds 3] [--json]

PHOTOS is any folder with images below it. Ours and the bare loop take turns in one process, cold cache each time;
medians of the rounds are compared, by the clock and by the processor (which other work on the machine changes less). The
bare loop is what a careful user would write: batches of 64, all cores inside the forward pass, no cache and no levels kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from components.backbone import load_backbone
from components.features import FeatureCache, View, encode_missing
from components.files import sha256_file
from components.ingest import load_image

EMBEDDED = Path(__file__).resolve().parents[1] / "models"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="the two ratios alone, as one JSON object")
    arguments = parser.parse_args()

    backbone = load_backbone(arguments.backbone, models=EMBEDDED)
    suffixes = {".jpg", ".jpeg", ".png", ".webp"}
    paths = [path for path in sorted(arguments.photos.rglob("*")) if path.suffix.lower() in suffixes]
    step = max(1, len(paths) // arguments.images)
    files = {sha256_file(path): path for path in paths[::step][: arguments.images]}
    views = [View(image_id) for image_id in files]

    def bare() -> None:
        every = list(files.values())
        for first in range(0, len(every), 64):
            pixels = torch.stack([backbone.preprocess(load_image(path)) for path in every[first : first + 64]])
            backbone.encode_images(pixels, levels=True)

    def ours(folder: Path) -> None:
        encode_missing(views, files, backbone, FeatureCache(folder))

    bare()  # warm the disk's cache and the kernels
    rounds = []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as name:
            again = partial(ours, Path(name))
            rounds.append((seconds(again), seconds(bare), seconds(again)))
    cold, loop, warm = (
        [statistics.median(times) for times in zip(*column, strict=True)] for column in zip(*rounds, strict=True)
    )
    if arguments.json:
        print(json.dumps({"of_bare_loop": loop[0] / cold[0], "second_run_faster": cold[0] / warm[0]}))
        return
    print(f"{len(files)} photos, backbone {backbone.identity.name} ({backbone.identity.precision})\n")
    print("| | seconds | processor seconds | processor ms a photo | of the bare loop's rate | by the processor |")
    print("|---|---:|---:|---:|---:|---:|")
    rows = {"bare decode-and-forward loop": loop, "extraction, empty cache": cold, "second run": warm}
    for title, (clock, processor) in rows.items():
        rates = f"{loop[0] / clock:.2f} | {loop[1] / processor:.2f}"
        print(f"| {title} | {clock:.3g} | {processor:.3g} | {1000 * processor / len(files):.3g} | {rates} |")


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """By the clock, and of all of this process's threads."""
    clock, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - processor


if __name__ == "__main__":
    main()
