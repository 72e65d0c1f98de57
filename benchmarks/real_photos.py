"""Every head, and what is shipped, on real photos with the embedded backbone.

    python benchmarks/real_photos.py FOLDER [FOLDER ...] [--shots 1 4 16] [--seeds 1 2 3] [--views 0] [--json FILE]

Each FOLDER is a photo set with a train and a test split, in any layout that `shotline train` takes (the compact copies
of Caltech101 with CoOp's split and of the Grocery Store set with its own). Heads are fitted and the shipped one is
chosen on the support set and the validation photos (min(shots, 4) a class) alone; test photos measure once. The features are the same for every head.

Regret is the best head's top-1 on the test photos less that of the shipped head. ECE raw is before temperature, ECE best
at the temperature that is fitted on the test photos themselves: what no choice without them can beat. ECE alike is at the
temperature of test photos drawn alike often of every class, as support and validation photos are: what evidence that
does not know how often each class will come can reach. ECE by chance is
that of answers that are right exactly as often as they say: what so few photos in fifteen bins show of a perfect head.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from lib.photo_sets import PhotoSet, photo_set
from torch import Tensor

from components.classifier import CLASSIFIER_HEADS, choose, expected_calibration_error, fit_candidates
from components.classifier.calibration import fit_temperature


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--views", type=int, default=0)
    parser.add_argument("--heads", nargs="*", default=list(CLASSIFIER_HEADS))
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for folder in arguments.folders:
        photos = photo_set(folder, cache=arguments.cache, backbone=arguments.backbone, views=arguments.views)
        for row in measure(photos, arguments.shots, arguments.seeds, arguments.heads):
            rows.append({"set": folder.name, **row})
        print_set(folder.name, [row for row in rows if row["set"] == folder.name])
    for folder in arguments.folders:
        print(f"\n{folder.name}", end="")
        print_summary([row for row in rows if row["set"] == folder.name])
    print_summary(rows)
    if arguments.json:
        arguments.json.write_text(json.dumps({"version": 1, "views": arguments.views, "rows": rows}, indent=1) + "\n")


def measure(photos: PhotoSet, shots: list[int], seeds: list[int], heads: list[str]) -> Iterator[dict[str, Any]]:
    """One row a number of shots and seed."""
    query, labels = photos.query
    for n_shots in shots:
        for seed in seeds:
            start = time.perf_counter()
            support = photos.support(n_shots, seed)
            candidates = fit_candidates(support, heads)
            choice = choose(candidates, support, validation=photos.validation(n_shots, seed))
            seconds = time.perf_counter() - start
            figures = {}
            for candidate in choice.calibrated(candidates):
                scores = candidate.head.scores(query)
                figures[candidate.name] = {
                    "top1": float((scores.argmax(1) == labels).double().mean()),
                    "ece": expected_calibration_error(torch.softmax(scores / candidate.temperature, 1), labels),
                    "ece_raw": expected_calibration_error(torch.softmax(scores, 1), labels),
                    **limits_of_calibration(scores, labels),
                }
            facts = {"shipped": choice.name, "evidence": choice.evidence, "seconds": seconds}
            yield {"shots": n_shots, "seed": seed, "heads": figures, **facts}


def limits_of_calibration(scores: Tensor, labels: Tensor) -> dict[str, float]:
    """`ece_best`, `ece_alike` and `ece_chance` (0 to 1) of logits (n, C); see the module."""
    probabilities = torch.softmax(scores.double() / fit_temperature(scores, labels), 1)
    highest, answer = probabilities.max(1)
    draw = torch.Generator().manual_seed(0)
    by_chance = []
    for _ in range(20):
        right = torch.rand(len(highest), generator=draw, dtype=torch.float64) < highest
        by_chance.append(expected_calibration_error(probabilities, torch.where(right, answer, -1)))
    of_class = [torch.nonzero(labels == label).flatten() for label in labels.unique()]
    alike = torch.cat([rows[torch.randint(len(rows), (50,), generator=draw)] for rows in of_class])
    as_often = torch.softmax(scores.double() / fit_temperature(scores[alike], labels[alike]), 1)
    return {
        "ece_best": expected_calibration_error(probabilities, labels),
        "ece_alike": expected_calibration_error(as_often, labels),
        "ece_chance": mean(by_chance),
    }


def print_set(name: str, rows: list[dict[str, Any]]) -> None:
    shots = sorted({row["shots"] for row in rows})
    print(f"\n{name}: top-1 %, mean and spread over {len({row['seed'] for row in rows})} seeds\n")
    print(f"| {'head':20s} | " + " | ".join(f"{n} shot{'s' if n > 1 else ''}".rjust(11) for n in shots) + " |")
    print("|---|" + "---:|" * len(shots))
    for head in [*rows[0]["heads"], "shipped"]:
        cells = []
        for n_shots in shots:
            chosen = [row for row in rows if row["shots"] == n_shots]
            values = [100 * row["heads"][row["shipped"] if head == "shipped" else head]["top1"] for row in chosen]
            cells.append(f"{mean(values):.1f} ± {stdev(values) if len(values) > 1 else 0:.1f}".rjust(11))
        print(f"| {head:20s} | " + " | ".join(cells) + " |")
    for n_shots in shots:
        chosen = [f"{row['shipped']} ({row['evidence']})" for row in rows if row["shots"] == n_shots]
        print(f"\nshipped at {n_shots}: {', '.join(chosen)}", end="")
    print()


def print_summary(rows: list[dict[str, Any]]) -> None:
    table: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        heads, shipped = row["heads"], row["heads"][row["shipped"]]
        cells = table[row["shots"]]
        cells["regret"].append(100 * (max(head["top1"] for head in heads.values()) - shipped["top1"]))
        if "zero_shot" in heads:
            cells["over zero-shot"].append(100 * (shipped["top1"] - heads["zero_shot"]["top1"]))
        cells["ECE %"].append(100 * shipped["ece"])
        cells["ECE raw %"].append(100 * shipped["ece_raw"])
        cells["ECE alike %"].append(100 * shipped["ece_alike"])
        cells["ECE best %"].append(100 * shipped["ece_best"])
        cells["ECE by chance %"].append(100 * shipped["ece_chance"])
        cells["seconds"].append(row["seconds"])
    names = list(next(iter(table.values())))
    print("\nshipped, over all sets and seeds: mean (worst)\n")
    print("| shots | " + " | ".join(names) + " |")
    print("|---|" + "---:|" * len(names))
    for n_shots, cells in sorted(table.items()):
        worst = [min(cells[name]) if name == "over zero-shot" else max(cells[name]) for name in names]
        print(
            f"| {n_shots} | "
            + " | ".join(f"{mean(cells[n]):.1f} ({w:.1f})" for n, w in zip(names, worst, strict=True))
            + " |"
        )


if __name__ == "__main__":
    main()
