"""How the cost of each stage grows with the photos: processor seconds, peak memory, and the exponents of both.

    python benchmarks/growth.py [--photos 1000 10000 100000] [--classes 50] [--json FILE]
    python benchmarks/growth.py --files 1000000

Photos are drawn, 64 x 64, 16 a class to learn from and all others to measure on; the backbone is a projection of
their colours, so that the pixels' own cost, which is so much a photo, hides nothing. Nothing has changed where ingest
runs again. Each stage runs in a process of its
own, forked once everything is imported; memory is what it takes beyond that. An exponent is the slope of the logarithm of
seconds (or of memory) against that of photos between the two largest numbers; 1.1 is about n log n here.

`--files` instead lists and hashes so many small files, and says what both took.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from components.backbone import BackboneIdentity, Encoded
from components.files import sha256_file
from components.ingest.listings import read_source
from components.report import write_report
from components.stages import features, run_stage
from components.workspace import Workspace, init_workspace

STAGES = ("ingest", "ingest again", "validate", "features", "ldc", "classifier", "liteembed", "evaluate", "report")
HEADS = ["zero_shot", "nearest_mean", "linear_probe", "map_lr"]
SHOTS = 16
WIDTH = 512


@dataclass
class DrawnBackbone:
    """A projection of an image's colours."""

    identity: BackboneIdentity = field(
        default_factory=lambda: BackboneIdentity("drawn", "0" * 64, {"size": 8}, "fp32", "cpu")
    )
    logit_scale: float = 100.0
    covariance: Tensor | None = None
    projector: None = None
    class_tokens: bool = False

    def preprocess(self, image: Image.Image) -> Tensor:
        """(3, 8, 8), 0 to 1."""
        return torch.from_numpy(np.asarray(image.resize((8, 8)), np.float32).transpose(2, 0, 1) / 255)

    def encode_images(self, pixels: Tensor, *, levels: bool = False) -> Encoded:
        """Embeddings alone."""
        mixing = torch.randn(192, WIDTH, generator=torch.Generator().manual_seed(1))
        return Encoded(F.normalize((pixels.flatten(1) - 0.5) @ mixing, dim=-1))

    def encode_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor:
        """Drawn, one a text."""
        return F.normalize(torch.randn(len(texts), WIDTH, generator=torch.Generator().manual_seed(2)), dim=-1)


class Silent:
    """A reporter that tells nobody."""

    def begin(self, stage: str) -> None:
        """A stage begins."""

    def progress(self, done: int, total: int, what: str) -> None:
        """So much of it is done."""

    def note(self, text: str) -> None:
        """It says something."""

    def end(self, stage: str, seconds: float) -> None:
        """It has ended."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--classes", type=int, default=50)
    parser.add_argument("--files", type=int)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if arguments.files:
            list_and_hash(Path(folder), arguments.files)
            return
        taken = {photos: measured(Path(folder) / str(photos), photos, arguments.classes) for photos in arguments.photos}
    show(taken)
    if arguments.json:
        arguments.json.write_text(json.dumps(taken, indent=1))


def measured(root: Path, photos: int, classes: int) -> dict[str, tuple[float, float]]:
    """Processor seconds and MiB of each stage."""
    init_workspace(root, scm=False)
    workspace = Workspace(root)
    workspace.set_parameters({"ingest.shots": SHOTS, "classifier.heads": HEADS})
    draw(workspace.raw, photos, classes)
    taken = {}
    for stage in STAGES:
        work = write_report if stage == "report" else partial(_stage, stage.removesuffix(" again"))
        with mock.patch.object(features, "load_workspace_backbone", return_value=DrawnBackbone()):
            taken[stage] = in_a_process(work, workspace)
        print(f"{photos} photos, {stage}: {taken[stage][0]:.1f} s, {taken[stage][1]:.0f} MiB", flush=True)
    return taken


def _stage(name: str, workspace: Workspace) -> object:
    return run_stage(name, workspace, Silent())


def draw(raw: Path, photos: int, classes: int) -> None:
    """Photos of classes that differ by their colours and patterns."""
    random = np.random.default_rng(0)
    patterns = random.integers(40, 216, (classes, 8, 8, 3))
    for number in range(photos):
        label, which = number % classes, number // classes
        folder = raw / ("train" if which < SHOTS else "test") / f"class_{label:03}"
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.clip(patterns[label] + random.normal(0, 60, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{which}.jpg", quality=85)


def in_a_process(work: Callable[[Workspace], object], workspace: Workspace) -> tuple[float, float]:
    """Processor seconds, and MiB beyond what was there at the start."""
    context = multiprocessing.get_context("fork")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, workspace, there))
    process.start()
    there.close()
    try:
        seconds, grown = here.recv()
    except EOFError:
        raise SystemExit("a stage ended without its figures; see above") from None
    finally:
        process.join()
    return seconds, grown


def _work(work: Callable[[Workspace], object], workspace: Workspace, told: Connection) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF)
    work(workspace)
    after = resource.getrusage(resource.RUSAGE_SELF)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told.send((seconds, (after.ru_maxrss - before.ru_maxrss) / 1024))


def show(taken: dict[int, dict[str, tuple[float, float]]]) -> None:
    """A row a stage: processor seconds and MiB, and how both grow between the two largest numbers."""
    sizes = sorted(taken)
    print(f"| stage | {' | '.join(f'{size:,} photos' for size in sizes)} | time grows as n^ | memory as n^ |")
    print(f"|---|{'---:|' * (len(sizes) + 2)}")
    for stage in STAGES:
        cells = [f"{seconds:.1f} s, {mib:.0f} MiB" for seconds, mib in (taken[size][stage] for size in sizes)]
        grown = [
            "" if len(sizes) < 2 else f"{slope(sizes[-2:], [taken[size][stage][column] for size in sizes[-2:]]):.2f}"
            for column in (0, 1)
        ]
        print(f"| {' | '.join([stage, *cells, *grown])} |")


def slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    low, high = (max(value, 0.01) for value in values)
    return math.log(high / low) / math.log(sizes[1] / sizes[0])


def list_and_hash(root: Path, files: int) -> None:
    """So many files of 200 bytes in a thousand folders."""
    for label in range(1000):
        (root / f"class_{label:04}").mkdir()
    for number in range(files):
        (root / f"class_{number % 1000:04}" / f"{number}.jpg").write_bytes(b"%d" % number * 30)
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    entries = read_source(root, "auto").entries
    listed = time.perf_counter()
    different = len({sha256_file(root / entry.path) for entry in entries})
    hashed = time.perf_counter()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print("| files | different | listed, s | hashed, s | MiB |\n|---:|---:|---:|---:|---:|")
    print(f"| {len(entries):,} | {different:,} | {listed - begun:.1f} | {hashed - listed:.1f} | {grown:.0f} |")


if __name__ == "__main__":
    main()
