"""What unlabelled photos are worth: `map_lr_pool` against `map_lr` on embeddings of a real CLIP, image only.

    python benchmarks/pool.py --features DIR [--shots 1 4 16] [--draws 3] [--pools full few1 few4 unknown] [--json FILE]

DIR is as `heads_real_clip.py` takes it. Of each set's `test` rows one half is the pool, the other is measured; the
halves are drawn anew for each draw, the support set too (the first draw is `train{K}`, later ones are drawn from
`train16`, or from the largest that is there). Pools:

- `full`: all of the half.
- `few1` to `few4`: 64 photos (or what there is) of so many classes.
- `unknown`: 30 % of the classes are taken out of the task; their photos stay in the pool.

Rows of the pool that are nearly a row that is measured (cosine of `TWIN` or more) are left out and counted. The
measured sets were looked at while the head was made, and some of its bounds were set after a failure on them
(docs/experiments/pool.md): the figures are a little optimistic.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from heads_real_clip import part
from torch import Tensor

from components.classifier import fit_head
from components.features.carriers import Features
from components.heads import Support

TWIN = 0.98
FEW = 64
UNKNOWN_SHARE = 0.3
HEADS = ("map_lr", "map_lr_pool")
Rows = tuple[Tensor, Tensor]


def main() -> None:
    """Print the table, and write the rows if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--pools", nargs="*", default=["full", "few1", "few2", "few4", "unknown"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--without-covariance", action="store_true")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = []
    for kind in arguments.pools:
        for shots in arguments.shots:
            found = list(measure(arguments, kind, shots))
            if not found:
                sys.exit(f"{arguments.features} holds no .npz with train{shots}_x and test_x")
            rows += found
            print(f"{kind}, {shots} a class: {len(found)} fitted", file=sys.stderr, flush=True)
    print_table(rows)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"version": 1, "rows": rows}, indent=1) + "\n", encoding="utf-8")


def measure(arguments: argparse.Namespace, kind: str, shots: int) -> Iterator[dict[str, Any]]:
    """One row a set and draw."""
    generic = None
    if (arguments.features / "generic_covariance.npz").exists() and not arguments.without_covariance:
        generic = torch.from_numpy(np.load(arguments.features / "generic_covariance.npz")["s0"])
    for path in sorted(arguments.features.glob("*.npz")):
        arrays = np.load(path)
        if "test_x" not in arrays or f"train{shots}_x" not in arrays:
            continue
        for draw in range(arguments.draws):
            support, pool, query = drawn(arrays, shots, draw, kind)
            pool, twins = without_twins(pool, query[0])
            n_classes = int(support[1].max()) + 1
            learnt_from = Support.of_images(Features(support[0]), support[1], n_classes, covariance=generic, pool=pool)
            row: dict[str, Any] = {"set": path.stem, "pool": kind, "shots": shots, "draw": draw}
            row |= {"photos": len(pool), "twins": twins}
            for name in HEADS:
                head = fit_head(name, learnt_from)
                right = head.scores(Features(query[0])).argmax(1) == query[1]
                row[name] = 100 * float(right.double().mean())
            row["trust"] = head.trust_  # type: ignore[attr-defined]
            yield row


def drawn(arrays: Any, shots: int, draw: int, kind: str) -> tuple[Rows, Rows, Rows]:
    """Support rows, pool and query rows of one draw; labels of the pool measure nothing and fit nothing."""
    generator = torch.Generator().manual_seed(1000 * draw + shots)
    if draw == 0:
        support = part(arrays, f"train{shots}")
    else:
        largest = max(
            int(name[len("train") : -len("_x")]) for name in arrays if name.startswith("train") and name.endswith("_x")
        )
        support = some_of_each(part(arrays, f"train{largest}"), shots, generator)
    embedding, labels = part(arrays, "test")
    order = torch.randperm(len(labels), generator=generator)
    pool, query = order[: len(order) // 2], order[len(order) // 2 :]
    n_classes = int(support[1].max()) + 1
    classes = torch.randperm(n_classes, generator=generator)
    if kind.startswith("few"):
        pool = pool[torch.isin(labels[pool], classes[: int(kind[3:])])][:FEW]
    if kind == "unknown":
        known = torch.full((n_classes,), -1)
        kept = classes[round(UNKNOWN_SHARE * n_classes) :].sort().values
        known[kept] = torch.arange(len(kept))
        query = query[known[labels[query]] >= 0]
        rows = known[support[1]] >= 0
        support, labels = (support[0][rows], known[support[1][rows]]), known[labels]
    return support, (embedding[pool], labels[pool]), (embedding[query], labels[query])


def some_of_each(rows: Rows, shots: int, generator: torch.Generator) -> Rows:
    """So many random rows of each class."""
    chosen = []
    for label in rows[1].unique():
        members = torch.nonzero(rows[1] == label).flatten()
        chosen.append(members[torch.randperm(len(members), generator=generator)[:shots]])
    index = torch.cat(chosen)
    return rows[0][index], rows[1][index]


def without_twins(pool: Rows, query: Tensor) -> tuple[Tensor, int]:
    """The pool's embeddings without those that are nearly a query row, and how many those are."""
    twins = (pool[0] @ query.T).max(1).values >= TWIN
    return pool[0][~twins], int(twins.sum())


def print_table(rows: Sequence[dict[str, Any]]) -> None:
    """Sets across, one line a pool and number of photos: without -> with, and the worst draw's gain."""
    sets = list(dict.fromkeys(row["set"] for row in rows))
    lines: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        lines[row["pool"], row["shots"]][row["set"]].append(row)
    print(f"| pool | photos a class | {' | '.join(sets)} | mean gain | worst set | left out a draw | trust |")
    print("|---|---:" + "|---" * len(sets) + "|---:" * 4 + "|")
    for (kind, shots), by_set in lines.items():
        cells, gains = [], []
        for name in sets:
            without, having = ([row[head] for row in by_set[name]] for head in HEADS)
            worst = min(b - a for a, b in zip(without, having, strict=True))
            gains.append(mean(having) - mean(without))
            cells.append(f"{mean(without):.1f} -> {mean(having):.1f} ({worst:+.1f})")
        found = [row for members in by_set.values() for row in members]
        figures = f"{mean(gains):+.1f} | {min(gains):+.1f} | {mean(row['twins'] for row in found):.0f}"
        trust = f"{min(row['trust'] for row in found):.2f} to {max(row['trust'] for row in found):.2f}"
        print(f"| {kind} | {shots} | {' | '.join(cells)} | {figures} | {trust} |", flush=True)


if __name__ == "__main__":
    main()
