"""A pool in the evidence of an added class: half of a set's classes known, half new, with and without the pool.

    python benchmarks/pool_new_class.py --features DIR [--shots 1 4] [--splits 3]

DIR is that of heads_real_clip.py. Half of the classes are known with 16 photos, the others have `shots`; all are Gaussians
of one covariance. Half of the `test` rows are the pool, the other half is measured. Printed: accuracy on photos of known
and of new classes in percent, and their harmonic mean, without a pool, with one that holds all classes, and with one that
was gathered before the new classes came.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from heads_real_clip import part
from torch import Tensor

from components.heads.anchored import learn_from_pool
from components.heads.gaussian import TwoCovariance, fit_two_covariance

KNOWN_SHOTS = 16


def main() -> None:
    """Print a row a set and number of photos of a new class."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4])
    parser.add_argument("--splits", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generic = torch.from_numpy(np.load(arguments.features / "generic_covariance.npz")["s0"])
    print("| set | photos of a new class | without | pool of all classes | pool of the known classes alone |")
    print("|---" * 5 + "|")
    for path in sorted(arguments.features.glob("*.npz")):
        arrays = np.load(path)
        if f"train{KNOWN_SHOTS}_x" not in arrays:
            continue
        for shots in arguments.shots:
            splits = [measure(arrays, generic, shots, split) for split in range(arguments.splits)]
            cells = []
            for of_pool in zip(*splits, strict=True):
                known, new = (100 * mean(each[place] for each in of_pool) for place in (0, 1))
                cells.append(f"{known:.1f} / {new:.1f}, {2 * known * new / (known + new):.1f}")
            print(f"| {path.stem} | {shots} | {' | '.join(cells)} |", flush=True)


def measure(arrays: object, generic: Tensor, shots: int, split: int) -> list[tuple[float, float]]:
    """Accuracy on known and on new classes, 0 to 1: without a pool, with all of it, with its known classes alone."""
    generator = torch.Generator().manual_seed(split)
    x, y = part(arrays, f"train{KNOWN_SHOTS}")
    n_classes = int(y.max()) + 1
    is_new = torch.zeros(n_classes, dtype=torch.bool)
    is_new[torch.randperm(n_classes, generator=generator)[: n_classes // 2]] = True
    order = torch.randperm(len(y), generator=generator)
    place = torch.zeros(len(y), dtype=torch.int64)
    for label in range(n_classes):
        members = order[y[order] == label]
        place[members] = torch.arange(len(members))
    learnt = ~is_new[y] | (place < shots)
    embedding, labels = part(arrays, "test")
    order = torch.randperm(len(labels), generator=generator)
    pool, query = order[: len(order) // 2], order[len(order) // 2 :]

    def accuracy(gaussian: TwoCovariance) -> tuple[float, float]:
        right = gaussian.scores(gaussian.whiten(embedding[query])).argmax(1) == labels[query]
        new = is_new[labels[query]]
        return float(right[~new].double().mean()), float(right[new].double().mean())

    support = (x[learnt], y[learnt], n_classes)
    pools = (pool, pool[~is_new[labels[pool]]])
    return [
        accuracy(fit_two_covariance(*support, generic)),
        *(accuracy(learn_from_pool(*support, embedding[rows], generic).gaussian) for rows in pools),
    ]


if __name__ == "__main__":
    main()
