"""Which photos to label next: `shotline review`'s order against random ones and against the least sure ones.

    python benchmarks/review.py --features DIR [DIR ...] [--rounds 10] [--size 20] [--seeds 5] [--starts one none]
                                [--sets NAME ...] [--json FILE]

DIR is as `heads_real_clip.py` takes it; each set's `test` rows are split in halves: from one, photos are labelled by their
true labels, in rounds; on the other, MAP-LR, fitted anew after each round, is measured. It begins with one photo a class,
or with none: a class is known from its first labelled photo on. Top-1 in percent, mean over seeds.

The first table has the figures after half and after all rounds; *needed*: photos that a rule needs to reach the last figure
of random ones, as a share of theirs, in whole rounds; *least above random*: of the rounds after the second, in points;
*most below least sure*: of all rounds. *Told all* is a rule that nobody has: it sees the true labels and the mistakes. It
is greedy and no bound, but says what can be hoped for where mistakes are many. The second table has every round.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from heads_real_clip import part
from numpy.typing import NDArray
from torch import Tensor

from components.classifier import fit_head
from components.features.carriers import Features
from components.heads import Support
from components.pool import rank


@dataclass(frozen=True)
class Round:
    """What a rule may know when it takes photos; `true`, `known_true` and `wrong` are for the one that is told all."""

    embeddings: NDArray[np.float32]
    probabilities: NDArray[np.float32] | None
    labelled: NDArray[np.float32] | None
    true: NDArray[np.int64]
    known_true: NDArray[np.int64]
    wrong: NDArray[np.bool_]
    size: int
    seed: int


def at_random(now: Round) -> list[int]:
    """Any photos."""
    chosen: list[int] = np.random.default_rng(now.seed).permutation(len(now.embeddings))[: now.size].tolist()
    return chosen


def least_sure(now: Round) -> list[int]:
    """Those whose two likeliest classes are closest."""
    if now.probabilities is None:
        return at_random(now)
    two = np.sort(now.probabilities, axis=1)[:, -2:]
    chosen: list[int] = np.argsort(two[:, 1] - two[:, 0], kind="stable")[: now.size].tolist()
    return chosen


def reviewed(now: Round) -> list[int]:
    """As `shotline review`."""
    return [each.row for each in rank(now.embeddings, now.probabilities, now.labelled, now.size, seed=now.seed)]


def told_all(now: Round) -> list[int]:
    """Nobody's rule: it sees the true labels, and takes photos that inform about most of the wrongly answered of their class."""
    about = unit(now.embeddings - now.embeddings.mean(0))
    likeness = np.maximum(about @ about.T, 0) ** 4 * (now.true[:, None] == now.true)
    known = np.zeros(len(about), np.float32)
    if now.labelled is not None:
        others = unit(now.labelled - now.embeddings.mean(0))
        known = (np.maximum(about @ others.T, 0) ** 4 * (now.true[:, None] == now.known_true)).max(1)
    chosen: list[int] = []
    for _ in range(min(now.size, len(about))):
        gain = np.maximum(likeness - known, 0) @ now.wrong.astype(np.float32)
        gain[chosen] = -1
        chosen.append(int(gain.argmax()))
        known = np.maximum(known, likeness[chosen[-1]])
    return chosen


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows of length one."""
    scaled: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return scaled


RULES: dict[str, Callable[[Round], list[int]]] = {
    "random": at_random,
    "least_sure": least_sure,
    "review": reviewed,
    "told_all": told_all,
}


def main() -> None:
    """Print a table a set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--size", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--starts", nargs="*", choices=["one", "none"], default=["one", "none"])
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    results = []
    for folder in arguments.features:
        generic = None
        if (folder / "generic_covariance.npz").exists():
            generic = torch.from_numpy(np.load(folder / "generic_covariance.npz")["s0"])
        for path in sorted(folder.glob("*.npz")):
            arrays = np.load(path)
            if "test_x" not in arrays or (arguments.sets and path.stem not in arguments.sets):
                continue
            for start in arguments.starts:
                curves: dict[str, list[list[float]]] = defaultdict(list)
                for seed in range(arguments.seeds):
                    for name, rule in RULES.items():
                        curves[name].append(curve(part(arrays, "test"), rule, seed, generic, start, arguments))
                means = {name: np.mean(each, 0).tolist() for name, each in curves.items()}
                results.append({"features": folder.name, "set": path.stem, "start": start, "curves": means})
                print(f"{folder.name}, {path.stem}, from {start}: done", file=sys.stderr, flush=True)
    print_tables(results, arguments.size)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps({"version": 1, "sets": results}, indent=1) + "\n", encoding="utf-8")


def curve(
    rows: tuple[Tensor, Tensor],
    rule: Callable[[Round], list[int]],
    seed: int,
    generic: Tensor | None,
    start: str,
    arguments: argparse.Namespace,
) -> list[float]:
    """Top-1 in percent after each round."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(rows[1]), generator=generator)
    (x, y), query = ((rows[0][index], rows[1][index]) for index in (order[: len(order) // 2], order[len(order) // 2 :]))
    known = [] if start == "none" else [int(torch.nonzero(y == label)[0]) for label in y.unique()]
    found = []
    head, classes = None, y[:0]
    for number in range(arguments.rounds + 1):
        if number:
            left = np.setdiff1d(np.arange(len(y)), known)
            probabilities, wrong = None, np.ones(len(left), bool)
            if head is not None:
                probabilities = torch.softmax(head.scores(Features(x[left])), 1).numpy()
                wrong = classes.numpy()[probabilities.argmax(1)] != y[left].numpy()
            labelled, seen = (x[known].numpy() if known else None), y[known].numpy()
            true, drawn_by = y[left].numpy(), 1000 * seed + number
            now = Round(x[left].numpy(), probabilities, labelled, true, seen, wrong, arguments.size, drawn_by)
            chosen = rule(now)
            known = [*known, *left[chosen].tolist()]
        head, classes = fitted(x[known], y[known], generic)
        if head is None:
            found.append(0.0)
        else:
            answers = classes[head.scores(Features(query[0])).argmax(1)]
            found.append(100 * float((answers == query[1]).double().mean()))
    return found


def fitted(embedding: Tensor, labels: Tensor, generic: Tensor | None) -> tuple[Any, Any]:
    """MAP-LR of the classes that have a photo, and their labels."""
    classes, numbers = labels.unique(return_inverse=True)
    if len(classes) < 2:
        return None, classes
    return fit_head(
        "map_lr", Support.of_images(Features(embedding), numbers, len(classes), covariance=generic)
    ), classes


def print_tables(results: list[dict[str, Any]], size: int) -> None:
    """One line a set and start; then one line a set, start and rule."""
    rounds = len(results[0]["curves"]["random"]) - 1
    columns = [
        "random",
        "least sure",
        "review",
        "needed",
        "told all needs",
        "least above random",
        "most below least sure",
    ]
    print(f"| features | set | from | {' | '.join(columns)} |")
    print("|---" * 6 + "|---:" * 4 + "|")
    for result in results:
        random, unsure, review, told = (np.array(result["curves"][name]) for name in RULES)
        halves = [f"{each[rounds // 2]:.1f} / {each[-1]:.1f}" for each in (random, unsure, review)]
        needed = [share_needed(each, random[-1]) for each in (review, told)]
        above, below = (review - random)[3:].min(), max((unsure - review).max(), 0.0)
        print(f"| {described(result)} | {' | '.join([*halves, *needed])} | {above:+.1f} | {below:.1f} |")
    print(f"\n| features | set | from | rule | {' | '.join(f'+{size * number}' for number in range(rounds + 1))} |")
    print("|---" * 4 + "|---:" * (rounds + 1) + "|")
    for result in results:
        for name, figures in result["curves"].items():
            print(f"| {described(result)} | {name} | {' | '.join(f'{figure:.1f}' for figure in figures)} |")


def described(result: dict[str, Any]) -> str:
    """The cells that say what was measured."""
    return f"{result['features']} | {result['set']} | {result['start']}"


def share_needed(figures: NDArray[np.float64], goal: float) -> str:
    """Rounds to the first figure that is not below the goal, as a share of all."""
    reached = np.flatnonzero(figures >= goal)
    return f"{reached[0] / (len(figures) - 1):.1f}" if len(reached) else "-"


if __name__ == "__main__":
    main()
