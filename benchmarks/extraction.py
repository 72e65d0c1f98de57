"""Extraction of features: against a bare decode-and-forward loop, and a second run against the first.

    python benchmarks/extraction.py PHOTOS [--backbone embedded] [--images 1500] [--rounds 3] [--json]

PHOTOS is any folder with images below it. Ours and the bare loop take turns in one process, cold cache each time;
medians of the rounds are compared. The bare loop is what a careful user would write: batches of 64, all cores inside
the forward pass, no cache and no levels kept.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
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

    def bare() -> float:
        start = time.perf_counter()
        every = list(files.values())
        for first in range(0, len(every), 64):
            pixels = torch.stack([backbone.preprocess(load_image(path)) for path in every[first : first + 64]])
            backbone.encode_images(pixels, levels=True)
        return time.perf_counter() - start

    def ours(folder: Path) -> float:
        start = time.perf_counter()
        encode_missing(views, files, backbone, FeatureCache(folder))
        return time.perf_counter() - start

    bare()  # warm the disk's cache and the kernels
    loop, cold, warm = [], [], []
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(ours(Path(folder)))
            loop.append(bare())
            warm.append(ours(Path(folder)))
    bare_s, cold_s, warm_s = (statistics.median(times) for times in (loop, cold, warm))
    if arguments.json:
        print(json.dumps({"of_bare_loop": bare_s / cold_s, "second_run_faster": cold_s / warm_s}))
        return
    print(f"{len(files)} photos, backbone {backbone.identity.name} ({backbone.identity.precision})")
    print(f"bare loop    {bare_s:7.2f} s  {len(files) / bare_s:6.0f} images/s")
    print(
        f"extraction   {cold_s:7.2f} s  {len(files) / cold_s:6.0f} images/s  {bare_s / cold_s:.2f} of the bare loop's rate"
    )
    print(f"second run   {warm_s:7.2f} s  {cold_s / warm_s:.0f} times faster than the first, no forward pass")


if __name__ == "__main__":
    main()
