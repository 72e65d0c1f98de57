"""What is answered where everything known is easy: few photos of few classes, asked beside photos of other sets.

    python benchmarks/unknown_photos.py --features DIR [--draws 6] [--json FILE]

DIR is that of heads_real_clip.py: embeddings of a real CLIP, image only. Classes and their photos are drawn from the
validation part of a set; the shipped head, its temperature and its threshold come from these alone. Test photos of the
same classes, and 200 test photos of the other sets, measure. In percent, means over sets and draws: photos that are
answered (not "unknown"), photos of other sets that are answered with 99.5 % or more ("dog 100 %"), the mean confidence
in photos of known classes beside the share of them that is right, and the highest threshold of all draws.

*Bounded* is what is shipped; *as the log-loss asks* is the temperature without its floor and the 5 % quantile of what
the same photos say, which is how both were set before.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from heads_real_clip import part
from torch import Tensor

from components.classifier import choose, fit_candidates, fit_temperature, held_out
from components.features import Features
from components.heads import Head, Support

HEADS = ("nearest_mean", "gda", "map_lr", "linear_probe")
TASKS = ((2, 5), (3, 12), (5, 8))
N_OTHER = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    sets = {}
    for path in sorted(arguments.features.glob("*.npz")):
        arrays = np.load(path)
        if "val_x" in arrays:
            sets[path.stem] = (part(arrays, "val"), part(arrays, "test"))
    covariance = torch.from_numpy(np.load(arguments.features / "generic_covariance.npz")["s0"])
    rows = [
        {
            "set": name,
            "classes": n_classes,
            "shots": shots,
            "draw": draw,
            **measure(sets, name, n_classes, shots, draw, covariance),
        }
        for n_classes, shots in TASKS
        for name in sets
        for draw in range(arguments.draws)
    ]
    if arguments.json:
        arguments.json.write_text(json.dumps({"version": 1, "rows": rows}, indent=1) + "\n")
    print_table(rows)


def measure(
    sets: dict[str, tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]],
    name: str,
    n_classes: int,
    shots: int,
    draw: int,
    covariance: Tensor,
) -> dict[str, dict[str, float]]:
    """Figures of one draw, 0 to 1, before and after."""
    random = torch.Generator().manual_seed(1000 * n_classes + draw)
    (x, y), (test_x, test_y) = sets[name]
    large = [c for c in y.unique().tolist() if (y == c).sum() >= shots and (test_y == c).sum() >= 5]
    chosen = [large[place] for place in torch.randperm(len(large), generator=random)[:n_classes].tolist()]
    rows = torch.cat([_some(torch.nonzero(y == c).flatten(), shots, random) for c in chosen])
    labels = torch.arange(n_classes).repeat_interleave(shots)
    support = Support.of_images(Features(x[rows]), labels, n_classes, covariance=covariance)
    candidates = fit_candidates(support, HEADS)
    choice = choose(candidates, support)
    found = held_out(next(each for each in candidates if each.name == choice.name), support)

    others = torch.cat([test[0] for other, (_, test) in sets.items() if other != name])
    asked = torch.nonzero(torch.isin(test_y, torch.tensor(chosen))).flatten()
    truth = torch.tensor([chosen.index(c) for c in test_y[asked].tolist()])
    unbounded = fit_temperature(found.logits, found.labels)
    sure = torch.softmax(found.logits.double() / unbounded, 1).max(1).values
    queries = (test_x[asked], truth, others[_some(torch.arange(len(others)), N_OTHER, random)])
    assert choice.threshold is not None
    return {
        "as the log-loss asks": figures(choice.head, unbounded, float(torch.quantile(sure, 0.05)), *queries),
        "bounded": figures(choice.head, choice.temperature, choice.threshold, *queries),
    }


def _some(rows: Tensor, n: int, random: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=random)[:n]]


def figures(
    head: Head, temperature: float, threshold: float, known: Tensor, truth: Tensor, other: Tensor
) -> dict[str, float]:
    """Of test photos of the known classes (n, d) with their labels, and of photos of none of them (m, d)."""
    of_known, of_other = (torch.softmax(head.scores(Features(x)) / temperature, 1) for x in (known, other))
    surest = of_other.max(1).values
    return {
        "other answered": float((surest >= threshold).double().mean()),
        "other at 100 %": float((surest >= 0.995).double().mean()),
        "known answered": float((of_known.max(1).values >= threshold).double().mean()),
        "known confidence": float(of_known.max(1).values.mean()),
        "known right": float((of_known.argmax(1) == truth).double().mean()),
        "highest threshold": threshold,
    }


def print_table(rows: list[dict[str, Any]]) -> None:
    """Markdown: a line a task and way."""
    names = list(rows[0]["bounded"])
    print("| classes x photos | | " + " | ".join(names) + " |")
    print("|---|---" + "|---:" * len(names) + "|")
    for n_classes, shots in TASKS:
        here = [row for row in rows if (row["classes"], row["shots"]) == (n_classes, shots)]
        for way in ("as the log-loss asks", "bounded"):
            cells = [
                (max if name == "highest threshold" else mean)(100 * row[way][name] for row in here) for name in names
            ]
            shown = [
                f"{cell:.4f}" if name == "highest threshold" else f"{cell:.1f}"
                for name, cell in zip(names, cells, strict=True)
            ]
            print(f"| {n_classes} x {shots} | {way} | " + " | ".join(shown) + " |")


if __name__ == "__main__":
    main()
