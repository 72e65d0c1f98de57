"""A hundred thousand pool photos, drawn: seconds and memory of the ranking, seconds of the EM.

    python benchmarks/pool_scale.py [--photos 100000] [--classes 100] [--width 512] [--threads 2] [--training]

Bars: ranking within 10 s and 1 GiB beyond the embeddings and answers that it is given; EM within 60 s on two cores.
Printed are wall and processor seconds. `--training` (with `--photos 2000`) measures what a pool adds to a training instead:
MAP-LR with its folds and LDC's starts, image only, with and without the pool; bar: 10 s more on two cores.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from components.classifier import fit_candidates
from components.features.carriers import Features
from components.heads import Support
from components.heads.anchored import learn_from_pool
from components.ldc.start import CrossFits
from components.pool import rank

SHOTS = 4


def main() -> None:
    """Print one row for the ranking, one for the EM."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--training", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    random = np.random.default_rng(0)
    centres = random.standard_normal((arguments.classes, arguments.width), np.float32)
    whose = random.integers(0, arguments.classes, arguments.photos)
    rows = centres[whose]
    rows += random.standard_normal(rows.shape, np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    answers = random.dirichlet(np.full(arguments.classes, 0.1), arguments.photos).astype(np.float32)
    labels = torch.arange(arguments.classes).repeat_interleave(SHOTS)
    support = centres[labels.numpy()] + random.standard_normal((len(labels), arguments.width), np.float32)
    support /= np.linalg.norm(support, axis=1, keepdims=True)
    print("| step | s | processor s | GiB more at most |\n|---|---:|---:|---:|")
    if arguments.training:
        time_training(Support.of_images(Features(torch.from_numpy(support)), labels, arguments.classes), rows)
        return
    timed("ranking", lambda: rank(rows, answers, support, 20))
    timed(
        "EM",
        lambda: learn_from_pool(torch.from_numpy(support), labels, arguments.classes, torch.from_numpy(rows), None),
    )


def time_training(support: Support, pool: NDArray[np.float32]) -> None:
    """Two rows without the pool, and two with it."""
    timed("MAP-LR with folds, no pool", lambda: fit_candidates(support, ["map_lr"]))
    timed("LDC's starts, no pool", lambda: starts(support))
    having = replace(support, pool=torch.from_numpy(pool))
    timed("MAP-LR with folds, both forms", lambda: fit_candidates(having, ["map_lr", "map_lr_pool"]))
    timed("LDC's starts, of the pool", lambda: starts(having))


def starts(support: Support) -> None:
    """All that LDC trains from: on all photos, and without each fold."""
    folds = support.folds[0]
    fits = CrossFits(support, folds)
    for held_out in (None, *range(int(folds.max()) + 1)):
        fits.start("map_lr", held_out)


def timed(name: str, work: Callable[[], Any]) -> None:
    """Run it once and print a row of what it took."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    begun = time.perf_counter()
    work()
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    grown = (after.ru_maxrss - before.ru_maxrss) / 2**20
    print(f"| {name} | {wall:.1f} | {processor:.1f} | {grown:.2f} |", flush=True)


if __name__ == "__main__":
    main()
