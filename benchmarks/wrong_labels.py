"""Planted wrong labels and how many are found: the left-out answers' margins, as `shotline review --labels` ranks them.

    python benchmarks/wrong_labels.py --features DIR [--set caltech101] [--classes 10] [--shots 16] [--wrong 5] [--seeds 5]

Of so many random classes of a set (`train16` rows), `wrong` photos are given the label of another of these classes. Printed
is the share of them among the first 60 shown, and among as many as were planted; means over seeds.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from heads_real_clip import part

from components.classifier import fit_head
from components.classifier.candidates import fit_candidate
from components.classifier.wrong_labels import doubtful_labels
from components.features.carriers import Features
from components.heads import Support

SHOWN = 60


def main() -> None:
    """Print a row a seed, and the means, in percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--set", default="caltech101")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--wrong", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    generic = torch.from_numpy(np.load(arguments.features / "generic_covariance.npz")["s0"])
    rows = part(np.load(arguments.features / f"{arguments.set}.npz"), "train16")
    found = [planted(rows, seed, generic, arguments) for seed in range(arguments.seeds)]
    print(f"| seed | photos shown | found | among the first {arguments.wrong} |\n|---|---:|---:|---:|")
    for seed, (among_shown, among_first, shown) in enumerate(found):
        print(f"| {seed} | {shown} | {100 * among_shown:.0f} | {100 * among_first:.0f} |")
    print(f"| mean | | {100 * mean(each[0] for each in found):.0f} | {100 * mean(each[1] for each in found):.0f} |")


def planted(
    rows: tuple[torch.Tensor, torch.Tensor], seed: int, generic: torch.Tensor, arguments: argparse.Namespace
) -> tuple[float, float, int]:
    """Shares of the planted labels that are found, and how many photos were shown."""
    generator = torch.Generator().manual_seed(seed)
    classes = torch.randperm(int(rows[1].max()) + 1, generator=generator)[: arguments.classes]
    x = torch.cat([rows[0][rows[1] == label] for label in classes])
    y = torch.cat([torch.full((int((rows[1] == label).sum()),), place) for place, label in enumerate(classes)])
    wrong = torch.randperm(len(y), generator=generator)[: arguments.wrong]
    y[wrong] = (y[wrong] + torch.randint(1, len(classes), (len(wrong),), generator=generator)) % len(classes)
    support = Support.of_images(Features(x), y, len(classes), covariance=generic, seed=seed)
    candidate = fit_candidate("map_lr", partial(fit_head, "map_lr"), support)
    shown = [each.row for each in doubtful_labels(candidate.out_of_fold[0], y, 1.0, SHOWN)]
    planted_rows = {*wrong.tolist()}
    first = {*shown[: arguments.wrong]}
    return len(planted_rows & {*shown}) / len(planted_rows), len(planted_rows & first) / len(planted_rows), len(shown)


if __name__ == "__main__":
    main()
