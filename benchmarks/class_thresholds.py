"""A threshold a class for a wanted accuracy, in the place of one for all: what it changes on photos that measure.

    python benchmarks/class_thresholds.py --features DIR [--shots 8 16] [--seeds 1 2 3] [--wanted 0.95] [--weights 0 0.3 1]

DIR is that of heads_real_clip.py. MAP-LR on photos drawn from the validation part of a set; thresholds from its held-out
answers alone. A class's threshold is the lowest from which its own held-out answers are right as often as is wanted; the
answers to the other classes weigh `weight` / C each beside them (C classes). Printed: how many more test photos are answered than
one threshold for all answers at the same accuracy on them, in points, means over seeds; below zero: fewer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from heads_real_clip import part
from pool import some_of_each
from torch import Tensor

from components.classifier import choose, fit_candidates
from components.features import Features
from components.heads import Support


def main() -> None:
    """Print a row a set and number of shots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--shots", type=int, nargs="*", default=[8, 16])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--wanted", type=float, default=0.95)
    parser.add_argument("--weights", type=float, nargs="*", default=[0.0, 0.3, 1.0])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    covariance = torch.from_numpy(np.load(arguments.features / "generic_covariance.npz")["s0"])
    print(f"| set | photos a class | {' | '.join(f'weight {weight:g}' for weight in arguments.weights)} |")
    print("|---" * (2 + len(arguments.weights)) + "|")
    for path in sorted(arguments.features.glob("*.npz")):
        arrays = np.load(path)
        if "val_x" not in arrays:
            continue
        for shots in arguments.shots:
            gains = [measure(arrays, covariance, shots, seed, arguments) for seed in arguments.seeds]
            cells = [f"{100 * mean(each):+.1f}" for each in zip(*gains, strict=True)]
            print(f"| {path.stem} | {shots} | {' | '.join(cells)} |", flush=True)


def measure(arrays: object, covariance: Tensor, shots: int, seed: int, arguments: argparse.Namespace) -> list[float]:
    """For each weight, the share of test photos that is answered, less that of one threshold at the same accuracy."""
    x, y = some_of_each(part(arrays, "val"), shots, torch.Generator().manual_seed(seed))
    support = Support.of_images(Features(x), y, int(y.max()) + 1, covariance=covariance, seed=seed)
    found = choose(fit_candidates(support, ("map_lr",)), support)
    held_out = torch.softmax(found.out_of_fold.double() / found.temperature, 1)
    test_x, test_y = part(arrays, "test")
    answers = torch.softmax(found.head.scores(Features(test_x)).double() / found.temperature, 1)
    confidence, answer = answers.max(1)
    right = answer == test_y
    gains = []
    for weight in arguments.weights:
        answered = confidence >= class_thresholds(held_out, support.labels, arguments.wanted, weight)[answer]
        accuracy = float(right[answered].double().mean()) if answered.any() else 1.0
        gains.append(float(answered.double().mean()) - coverage_at(confidence, right, accuracy))
    return gains


def class_thresholds(probabilities: Tensor, labels: Tensor, wanted: float, weight: float) -> Tensor:
    """(C,) lowest confidence from which a class's answers are right often enough; infinite if never."""
    confidence, answer = probabilities.max(1)
    order = confidence.argsort(descending=True)
    confidence, answer = confidence[order], answer[order]
    right = (answer == labels[order]).double()
    n_classes = probabilities.shape[1]
    thresholds = []
    for label in range(n_classes):
        counts = torch.where(answer == label, 1.0, weight / n_classes).double()
        share = (counts * right).cumsum(0) / counts.cumsum(0).clamp_min(1e-12)
        enough = torch.nonzero((share >= wanted) & (counts.cumsum(0) > 0)).flatten()
        thresholds.append(float(confidence[enough[-1]]) if len(enough) else float("inf"))
    return torch.tensor(thresholds, dtype=torch.float64)


def coverage_at(confidence: Tensor, right: Tensor, accuracy: float) -> float:
    """The largest share of photos that one threshold answers at this accuracy or a higher one, 0 to 1."""
    running = right[confidence.argsort(descending=True)].double().cumsum(0) / torch.arange(1, len(right) + 1)
    enough: Sequence[int] = torch.nonzero(running >= accuracy - 1e-12).flatten().tolist()
    return (enough[-1] + 1) / len(right) if enough else 0.0


if __name__ == "__main__":
    main()
