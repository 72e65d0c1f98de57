"""What is promised of answers, and what is kept: sets of likely classes at nine in ten, and a wanted accuracy.

    python benchmarks/likely_sets.py --features DIR [--shots 4 16] [--seeds 1 2 3] [--wanted 0.95] [--json FILE]

DIR is that of heads_real_clip.py: embeddings of a real CLIP, image only. The support photos are drawn from the
validation part of a set (centre crops, as the test photos are); head, temperature, thresholds come from these alone, by
held-out folds. All test photos measure. In percent, one row a set and number of shots, means over seeds with the lowest
and the highest: test photos whose class is among the likely ones, classes in a set, sets without any class, photos that
are answered and rightly so; then the same of a wanted accuracy, and whether the held-out photos said that it can be had.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from heads_real_clip import part
from torch import Tensor

from components.bank import likely_classes, likely_threshold
from components.classifier import choose, fit_candidates
from components.features import Features
from components.heads import Support
from components.liteembed import KnownClasses

HEADS = ("nearest_mean", "gda", "map_lr")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--shots", type=int, nargs="*", default=[4, 16])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--wanted", type=float, default=0.95)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    covariance = torch.from_numpy(np.load(arguments.features / "generic_covariance.npz")["s0"])
    rows = []
    for path in sorted(arguments.features.glob("*.npz")):
        arrays = np.load(path)
        if "val_x" not in arrays:
            continue
        for shots in arguments.shots:
            for seed in arguments.seeds:
                figures = measure(part(arrays, "val"), part(arrays, "test"), covariance, shots, seed, arguments.wanted)
                rows.append({"set": path.stem, "shots": shots, "seed": seed, **figures})
                print(rows[-1], flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"version": 1, "rows": rows}, indent=1) + "\n")
    print_table(rows)


def measure(
    drawn_from: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    covariance: Tensor,
    shots: int,
    seed: int,
    wanted: float,
) -> dict[str, float | bool]:
    """Figures of one draw, 0 to 1 but for the size of a set."""
    (x, y), (test_x, test_y) = drawn_from, test
    random = torch.Generator().manual_seed(seed)
    rows = torch.cat(
        [places[torch.randperm(len(places), generator=random)[:shots]] for places in map(torch.nonzero, _each(y))]
    ).flatten()
    support = Support.of_images(Features(x[rows]), y[rows], int(y.max()) + 1, covariance=covariance, seed=seed)
    candidates = fit_candidates(support, HEADS)
    plain, asked = (choose(candidates, support, wanted_accuracy=each) for each in (None, wanted))
    known = KnownClasses.of_head(
        tuple(map(str, range(support.n_classes))),
        support.features.embedding,
        support.labels,
        out_of_fold=plain.out_of_fold,
        seen=plain.head.scores(support.features),
        temperature=plain.temperature,
        logit_scale=support.logit_scale,
        covariance=covariance,
    )
    probabilities = torch.softmax(plain.head.scores(Features(test_x)) / plain.temperature, 1)
    confidence, answer = probabilities.double().max(1)
    right = answer == test_y
    answered = confidence >= (plain.threshold or 0.0)
    likely = likely_classes(probabilities, ~answered, likely_threshold(known))
    wanted_answered = confidence >= (asked.threshold or 0.0)
    return {
        "top1": _share(right),
        "covered": _share(likely[torch.arange(len(test_y)), test_y]),
        "size": float(likely.sum(1).double().mean()),
        "empty": _share(~likely.any(1)),
        "answered": _share(answered),
        "right_of_answered": _share(right[answered]),
        "can_be_had": "cannot" not in asked.threshold_why,
        "wanted_answered": _share(wanted_answered),
        "wanted_right": _share(right[wanted_answered]),
    }


def print_table(rows: list[dict[str, float | bool | str]]) -> None:
    """A row a set and number of shots."""
    print(
        "\n| set | shots | top-1 | covered | mean size | empty | answered | right of them | wanted: answered | right | can be had |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for name, shots in dict.fromkeys((row["set"], row["shots"]) for row in rows):
        these = [row for row in rows if (row["set"], row["shots"]) == (name, shots)]

        def told(key: str, scale: float = 100.0, these: list[dict[str, float | bool | str]] = these) -> str:
            values = [scale * float(row[key]) for row in these]
            return f"{mean(values):.1f} ({min(values):.1f} to {max(values):.1f})"

        cells = [told("top1"), told("covered"), told("size", 1.0), told("empty"), told("answered")]
        cells += [told("right_of_answered"), told("wanted_answered"), told("wanted_right")]
        print(
            f"| {name} | {shots} | {' | '.join(cells)} | {sum(bool(r['can_be_had']) for r in these)} of {len(these)} |"
        )


def _each(labels: Tensor) -> list[Tensor]:
    return [labels == label for label in range(int(labels.max()) + 1)]


def _share(rows: Tensor) -> float:
    return float(rows.double().mean()) if len(rows) else float("nan")


if __name__ == "__main__":
    main()
