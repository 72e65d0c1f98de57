"""Features by a loop, by Dask and by Ray: the same shards byte for byte, also where a worker is killed; photos a second.

    python benchmarks/runners.py [--photos 1000] [--runners local dask ray] [--workers 2] [--size 128] [--kill] [--json]
        [--small]

Drawn photos of 96 px, the embedded backbone, levels as `features.mode: grid` keeps them. Every runner fills a folder of its
own, and the folders are compared file by file. With --kill one worker is killed with SIGKILL when a third of the
partitions has its marker; the run must end all the same, with the same files, and encode no more photos twice than lay in
the partitions of its workers, against the runner that is named first. Seconds are of the whole call: a cluster of one's
own starts and loads the weights within it. Processor seconds are of all processes that encoded. `--small` takes the
tests' small CLIP, a tenth of the time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

from components.backbone import BackboneSettings
from components.features import (
    Distribute,
    EncodingWork,
    FeatureCache,
    FeaturesSettings,
    LoadBackbone,
    View,
    encode_missing,
)
from components.files import sha256_bytes

REPOSITORY = Path(__file__).resolve().parents[1]
MODELS = REPOSITORY / "models"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=1000)
    parser.add_argument("--runners", nargs="*", default=["local", "dask", "ray"])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--kill", action="store_true")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rows = measured(arguments)
    if arguments.json:
        print(json.dumps({"version": 1, "photos": arguments.photos, "size": arguments.size, "rows": rows}))
    else:
        show(rows)
    in_flight = arguments.workers * arguments.size
    sys.exit(not all(row["same_bytes"] and row["encoded_twice"] <= in_flight * row["killed"] for row in rows))


def measured(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """A row a runner."""
    settings = BackboneSettings(device="cpu", precision="fp32")
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        models = small_models(Path(folder)) if arguments.small else MODELS
        photos = drawn(Path(folder) / "photos", arguments.photos)
        views = [View(image_id) for image_id in photos]
        first: dict[str, str] | None = None
        once = 0
        for runner in arguments.runners:
            counts = Path(folder) / f"{runner}.encoded"
            counts.mkdir()
            load = LoadCounted(LoadBackbone(settings, models), counts)
            distribute = of(runner, FeaturesSettings(workers=arguments.workers), EncodingWork(load))
            cache = FeatureCache(Path(folder) / runner)
            stop = killer(cache.folder, arguments) if arguments.kill and distribute else None
            backbone = load()
            start, processor = time.perf_counter(), time.process_time()
            encode_missing(views, photos, backbone, cache, size=arguments.size, distribute=distribute)
            seconds = time.perf_counter() - start
            encoded, processor_s = counted(counts, time.process_time() - processor)
            files = {path.name: sha256_bytes(path.read_bytes()) for path in sorted(cache.folder.iterdir())}
            first = first or files
            for name in sorted(set(files.items()) ^ set(first.items())):
                print(f"{runner}: other than the first runner's: {name[0]}", file=sys.stderr)
            once = once or encoded  # the loop's batches are padded, as everybody's are
            rows.append(
                {
                    "runner": runner,
                    "seconds": seconds,
                    "photos_a_second": len(photos) / seconds,
                    "processor_s": processor_s,
                    "same_bytes": files == first,
                    "killed": stop() if stop else 0,
                    "encoded_twice": encoded - once,
                }
            )
    return rows


def small_models(folder: Path) -> Path:
    """A folder of backbones whose `embedded` is the tests' small CLIP."""
    shutil.copytree(REPOSITORY / "tests" / "small_clip", folder / "models" / "embedded")
    return folder / "models"


def show(rows: list[dict[str, Any]]) -> None:
    """A Markdown table."""
    print(
        "| runner | s | photos/s | processor s | same bytes | workers killed | encoded twice |\n|---|---|---|---|---|---|---|"
    )
    for row in rows:
        told = f"{row['seconds']:.1f} | {row['photos_a_second']:.1f} | {row['processor_s']:.0f} | {row['same_bytes']}"
        print(f"| {row['runner']} | {told} | {row['killed']} | {row['encoded_twice']} |")


@dataclass(frozen=True)
class LoadCounted:
    """Loads a backbone that notes what it encodes.

    Attributes:
        load: gives the backbone.
        folder: where each process notes it.
    """

    load: LoadBackbone
    folder: Path

    def __call__(self) -> Any:
        """Load it."""
        return Counted(self.load(), self.folder)


class Counted:
    """A backbone; each process adds a line to a file of its own for each batch: photos, its processor seconds so far."""

    def __init__(self, backbone: Any, folder: Path) -> None:
        self._backbone, self._folder = backbone, folder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backbone, name)

    def encode_images(self, pixels: Any, *, levels: bool = False) -> Any:
        """See `Backbone`."""
        encoded = self._backbone.encode_images(pixels, levels=levels)
        with (self._folder / str(os.getpid())).open("a") as file:
            file.write(f"{len(pixels)} {time.process_time()}\n")
        return encoded


def counted(folder: Path, own_s: float) -> tuple[int, float]:
    """Photos encoded, and processor seconds of this process and of the workers."""
    photos, seconds = 0, own_s
    for path in folder.iterdir():
        lines = [line.split() for line in path.read_text().splitlines()]
        photos += sum(int(number) for number, _ in lines)
        if path.name != str(os.getpid()):
            seconds += float(lines[-1][1])
    return photos, seconds


def of(runner: str, settings: FeaturesSettings, work: EncodingWork) -> Distribute | None:
    if runner == "dask":
        from flows.clusters import on_dask

        return on_dask(settings, work)
    if runner == "ray":
        from components.features import on_ray

        return on_ray(settings, work)
    return None


def killer(folder: Path, arguments: argparse.Namespace) -> Callable[[], int]:
    """Kills the busiest child process once a third of the markers is there; the result says how many it killed."""
    over, killed = threading.Event(), [0]

    def watch() -> None:
        wanted = max(1, arguments.photos // arguments.size // 3)
        while not over.wait(0.1):
            if len(list(folder.glob("*.json"))) >= wanted:
                children = psutil.Process().children(recursive=True)
                workers = [
                    each for each in children if "spawn_main" in " ".join(each.cmdline()) or "ray::" in each.name()
                ]
                if workers:
                    os.kill(max(workers, key=lambda each: sum(each.cpu_times()[:2])).pid, signal.SIGKILL)
                    killed[0] += 1
                return

    threading.Thread(target=watch, daemon=True).start()

    def stop() -> int:
        over.set()
        return killed[0]

    return stop


def drawn(folder: Path, n: int) -> dict[str, Path]:
    """Photos of 96 px by id."""
    folder.mkdir()
    random, found = np.random.default_rng(0), {}
    for number in range(n):
        coarse = Image.fromarray(random.integers(0, 255, (6, 6, 3)).astype(np.uint8))
        path = folder / f"{number}.jpg"
        coarse.resize((96, 96), Image.Resampling.BICUBIC).save(path, quality=85)
        found[sha256_bytes(path.read_bytes())] = path
    return found


if __name__ == "__main__":
    main()
