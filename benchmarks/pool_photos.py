"""The whole path with and without a pool on real photos: every head, LDC, the choice, calibration, seconds.

    python benchmarks/pool_photos.py FOLDER [FOLDER ...] [--shots 1 4 16] [--seeds 1 2 3] [--query 1200] [--json FILE]
                                     [--pools full few2 unknown] [--export DIR]

Photo sets as `real_photos.py` takes them; embedded backbone. Of so many test photos (`--query`, drawn once) one half is the
pool, the other is measured; a photo of the pool that is nearly a measured one (cosine of 0.98) is left out. *Shipped* is
what the honest choice takes, of the same heads with and without `map_lr_pool`, LDC among them both times: without the pool,
and with the start that has learnt from it. *By chance* is the calibration error that perfectly calibrated answers would show
on so many photos. Heads that learn from no pool are fitted once for both. Seconds are of the processor: heads, LDC and choice.

`--pools` names what the pool holds: `full` the half, `fewN` 64 photos of the N classes that the half has most of, `unknown`
the half where 30 % of the classes are taken out of the task and their photos stay in the pool.

`--export` writes the embeddings instead, `train1` to `train16`, `val` and `test`, as `pool.py` and `review.py` take them.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from lib.photo_sets import PhotoSet, photo_set
from pool import FEW, TWIN, UNKNOWN_SHARE
from torch import Tensor

from components.classifier import CLASSIFIER_HEADS, Candidate, choose, expected_calibration_error, fit_candidates
from components.features import Features, View
from components.heads import Support
from components.ldc import LdcSettings, fit_ldc

LEARN_FROM_POOL = ("map_lr_pool", "ldc")


def main() -> None:
    """Print the table, or write the embeddings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--query", type=int, default=1200)
    parser.add_argument("--pools", nargs="*", default=["full"])
    parser.add_argument("--heads", nargs="*", default=[*CLASSIFIER_HEADS, "ldc"])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    parser.add_argument("--export", type=Path)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for folder in arguments.folders:
        photos = photo_set(folder, cache=arguments.cache)
        query = some_of_the_query(photos, arguments.query)
        if arguments.export is not None:
            export(photos, query, arguments.shots, arguments.export)
            continue
        for shots in arguments.shots:
            for seed in arguments.seeds:
                rows += measure(photos, query, arguments.pools, shots, seed, arguments.heads)
            print(f"{photos.root.name}, {shots} a class: measured", file=sys.stderr, flush=True)
    if rows:
        print_table(rows)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"version": 1, "rows": rows}, indent=1) + "\n", encoding="utf-8")


def some_of_the_query(photos: PhotoSet, most: int) -> tuple[Features, Tensor]:
    """So many test photos, drawn at random once."""
    ids = photos._ids("query", 0, 0)
    chosen = np.sort(np.random.default_rng(0).permutation(len(ids))[:most])
    names = [ids[place] for place in chosen]
    return photos._features([View(name) for name in names]), torch.tensor([photos._label[name] for name in names])


def export(photos: PhotoSet, query: tuple[Features, Tensor], shots: list[int], folder: Path) -> None:
    """Write `NAME.npz`; `generic_covariance.npz` beside it where the backbone has one."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = {f"train{n}": photos.support(n, 1) for n in shots}
    arrays = {}
    for name, support in parts.items():
        arrays[f"{name}_x"], arrays[f"{name}_y"] = support.features.embedding.numpy(), support.labels.numpy()
    arrays["test_x"], arrays["test_y"] = query[0].embedding.numpy(), query[1].numpy()
    np.savez(folder / f"{photos.root.name}.npz", **arrays)  # type: ignore[arg-type]
    covariance = next(iter(parts.values())).covariance
    if covariance is not None:
        np.savez(folder / "generic_covariance.npz", s0=covariance.numpy())


def measure(
    photos: PhotoSet, query: tuple[Features, Tensor], kinds: list[str], shots: int, seed: int, names: list[str]
) -> Iterator[dict[str, Any]]:
    """Top-1, ECE and processor seconds without a pool and with each of these; without it is fitted once for pools alike."""
    features, labels = query
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    half, asked = order[: len(order) // 2], order[len(order) // 2 :]
    classes = torch.randperm(photos.support(shots, seed).n_classes, generator=generator)
    known = {False: classes.sort().values, True: classes[round(UNKNOWN_SHARE * len(classes)) :].sort().values}
    fullest = labels[half].bincount(minlength=len(classes)).argsort(descending=True, stable=True)

    @cache
    def without(unknown: bool) -> Task:
        support, validation = photos.support(shots, seed), photos.validation(shots, seed)
        support, validation = (each and of_classes(each, known[unknown]) for each in (support, validation))
        assert support is not None
        rows = asked[torch.isin(labels[asked], known[unknown])]
        measured, answers = features[rows], torch.searchsorted(known[unknown], labels[rows])
        begun = time.process_time()
        common = fit_candidates(support, [name for name in names if name not in LEARN_FROM_POOL])
        task = Task(support, validation, measured, answers, common, time.process_time() - begun)
        task.found = path(task, support, names)
        return task

    for kind in kinds:
        task = without(kind == "unknown")
        rows = half
        if kind.startswith("few"):
            rows = half[torch.isin(labels[half], fullest[: int(kind[3:])])]
        pool = features.embedding[rows]
        pool = pool[(pool @ task.measured.embedding.T).max(1).values < TWIN]
        pool = pool[:FEW] if kind.startswith("few") else pool
        found = path(task, replace(task.support, pool=pool), names)
        yield {
            "set": photos.root.name,
            "kind": kind,
            "shots": shots,
            "seed": seed,
            "pool": len(pool),
            "without": task.found,
            "with": found,
        }


def of_classes(support: Support, classes: Tensor) -> Support:
    """The rows of some classes, numbered anew; `classes` is sorted."""
    kept = support.rows(torch.isin(support.labels, classes))
    text = support.text_embeddings
    return replace(
        kept,
        labels=torch.searchsorted(classes, kept.labels),
        n_classes=len(classes),
        text_embeddings=None if text is None else text[classes],
    )


@dataclass
class Task:
    """One task before it has a pool; `common` are the heads that learn from none, and what they took."""

    support: Support
    validation: Support | None
    measured: Features
    labels: Tensor
    common: list[Candidate]
    seconds: float
    found: dict[str, Any] = field(default_factory=dict)


def path(task: Task, support: Support, names: list[str]) -> dict[str, Any]:
    """What training does with one support set, and what comes of it."""
    begun = time.process_time()
    learning = [name for name in names if name in LEARN_FROM_POOL and name != "ldc"]
    candidates = [*task.common, *fit_candidates(support, learning)]
    if "ldc" in names:
        fit = fit_ldc(support, LdcSettings(), validation=task.validation)
        candidates.append(Candidate("ldc", fit.head, fit.out_of_fold))
    choice = choose(candidates, support, validation=task.validation)
    seconds = time.process_time() - begun + task.seconds
    scores = {each.name: each.head.scores(task.measured) for each in candidates}
    top1 = {name: 100 * float((each.argmax(1) == task.labels).double().mean()) for name, each in scores.items()}
    probabilities = torch.softmax(choice.head.scores(task.measured) / choice.temperature, 1)
    return {
        "top1": top1,
        "shipped": choice.name,
        "regret": max(top1.values()) - top1[choice.name],
        "ece": 100 * expected_calibration_error(probabilities, task.labels),
        "ece_by_chance": 100 * by_chance(probabilities),
        "seconds": seconds,
    }


def by_chance(probabilities: Tensor, draws: int = 20) -> float:
    """The mean calibration error if the answers were perfectly calibrated: labels are drawn from the probabilities."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.multinomial(probabilities.double(), draws, replacement=True, generator=generator)
    return mean(expected_calibration_error(probabilities, each) for each in labels.T)


def print_table(rows: list[dict[str, Any]]) -> None:
    """A line a set, pool and number of shots: means over seeds, without -> with."""
    print("| set | pool | photos a class | photos of the pool | " + " | ".join(COLUMNS) + " | taken |")
    print("|---|---|---:|---:" + "|---" * len(COLUMNS) + "|---|")
    by_task = defaultdict(list)
    for row in rows:
        by_task[row["set"], row["kind"], row["shots"]].append(row)
    for (name, pool, shots), members in by_task.items():
        cells = []
        for figure in COLUMNS.values():
            without, having = (mean(figure(row[kind], kind) for row in members) for kind in ("without", "with"))
            cells.append("" if math.isnan(without + having) else f"{without:.1f} -> {having:.1f}")
        taken = ", ".join(f"{row['without']['shipped']} -> {row['with']['shipped']}" for row in members)
        size = f"{mean(row['pool'] for row in members):.0f}"
        print(f"| {name} | {pool} | {shots} | {size} | {' | '.join(cells)} | {taken} |", flush=True)


def of_map_lr(found: dict[str, Any], kind: str) -> float:
    """Top-1 of MAP-LR, in its form with the pool if there is one."""
    return found["top1"].get("map_lr_pool" if kind == "with" else "map_lr", math.nan)  # type: ignore[no-any-return]


COLUMNS: dict[str, Callable[[dict[str, Any], str], float]] = {
    "shipped": lambda found, kind: found["top1"][found["shipped"]],
    "LDC": lambda found, kind: found["top1"].get("ldc", math.nan),
    "MAP-LR": of_map_lr,
    "regret": lambda found, kind: found["regret"],
    "ECE %": lambda found, kind: found["ece"],
    "by chance": lambda found, kind: found["ece_by_chance"],
    "seconds": lambda found, kind: found["seconds"],
}

if __name__ == "__main__":
    main()
