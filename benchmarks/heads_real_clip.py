"""Every head on embeddings of a real CLIP, image only and with the classes' words.

    python benchmarks/heads_real_clip.py --features DIR [--heads NAME ...] [--shots 1 4 16] [--json]

DIR holds `NAME.npz` with arrays `train{K}_x` (n, d), `train{K}_y` (n,), `test_x`, `test_y`, optionally
`NAME_text.npz` with `vec` (C', d) and `label` (C',) (text embeddings of some classes: the task is then those classes
alone), and `generic_covariance.npz` with `s0` (d, d). Heads are fitted on a `train{K}` part and measured once on
`test`; nothing is chosen on it. Figures are top-1 in percent.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from components.classifier import CLASSIFIER_HEADS, fit_head, usable_heads
from components.features.carriers import Features
from components.heads import Support


def main() -> None:
    """Print one table a setting, or one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--heads", nargs="*", default=list(CLASSIFIER_HEADS))
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    rows = list(measure(arguments.features, arguments.heads, arguments.shots))
    if not rows:
        sys.exit(f"{arguments.features} holds no .npz with train*_x and test_x")
    if arguments.json:
        json.dump({"version": 1, "rows": rows, "means": means(rows)}, sys.stdout, indent=1)
        print()
    else:
        print_tables(rows)


def measure(folder: Path, heads: list[str], shots: list[int]) -> Iterator[dict[str, Any]]:
    """One row a set, setting, number of shots and head."""
    generic = None
    if (folder / "generic_covariance.npz").exists():
        generic = torch.from_numpy(np.load(folder / "generic_covariance.npz")["s0"])
    for path in sorted(folder.glob("*.npz")):
        arrays = np.load(path)
        for n_shots in shots:
            if "test_x" not in arrays or f"train{n_shots}_x" not in arrays:
                continue
            support = part(arrays, f"train{n_shots}")
            query = part(arrays, "test")
            words = path.with_name(f"{path.stem}_text.npz")
            for with_text in (False, True) if words.exists() else (False,):
                text = None
                here, there = support, query
                if with_text:
                    names = np.load(words)
                    text = unit(names["vec"])
                    here, there = (only(rows, torch.from_numpy(names["label"])) for rows in (support, query))
                for covariance in (None, generic) if generic is not None else (None,):
                    yield from fitted(path.stem, here, there, text, covariance, heads, n_shots)


def fitted(
    name: str,
    support: tuple[Tensor, Tensor],
    query: tuple[Tensor, Tensor],
    text: Tensor | None,
    covariance: Tensor | None,
    heads: list[str],
    n_shots: int,
) -> Iterator[dict[str, Any]]:
    """Fit each head on the support rows and measure it on the query rows."""
    n_classes = int(support[1].max()) + 1
    learnt_from = Support.of_images(
        Features(support[0]), support[1], n_classes, text_embeddings=text, covariance=covariance
    )
    for head in usable_heads(learnt_from, heads):
        begun = time.perf_counter()
        model = fit_head(head, learnt_from)
        fit_s = time.perf_counter() - begun
        top1 = (model.scores(Features(query[0])).argmax(1) == query[1]).double().mean()
        yield {
            "set": name,
            "text": text is not None,
            "generic_covariance": covariance is not None,
            "shots": n_shots,
            "head": head,
            "top1": round(100 * float(top1), 2),
            "fit_s": round(fit_s, 3),
        }


def means(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean over sets of each head, setting and number of shots."""
    found: dict[tuple[Any, ...], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        found[row["text"], row["generic_covariance"], row["shots"], row["head"]].append(row)
    return [
        {
            "text": text,
            "generic_covariance": generic,
            "shots": shots,
            "head": head,
            "top1": round(mean(row["top1"] for row in members), 2),
            "sets": len(members),
        }
        for (text, generic, shots, head), members in found.items()
    ]


def print_tables(rows: list[dict[str, Any]]) -> None:
    """Markdown: heads down, shots and sets across."""
    for text in (False, True):
        for generic in (True, False):
            chosen = [row for row in rows if row["text"] == text and row["generic_covariance"] == generic]
            if not chosen:
                continue
            columns = sorted({(row["shots"], row["set"]) for row in chosen})
            shots = sorted({row["shots"] for row in chosen})
            cell = {(row["head"], row["shots"], row["set"]): row for row in chosen}
            print(
                f"\n{'with words' if text else 'image only'}, {'with' if generic else 'without'} generic covariance\n"
            )
            print(
                "| head |",
                " | ".join([f"mean {k}" for k in shots] + [f"{name} {k}" for k, name in columns]),
                "| fit s |",
            )
            print("|---" * (2 + len(shots) + len(columns)) + "|")
            for head in dict.fromkeys(row["head"] for row in chosen):
                figures = [
                    mean(row["top1"] for row in chosen if row["head"] == head and row["shots"] == k) for k in shots
                ] + [cell[head, k, name]["top1"] for k, name in columns]
                slowest = max(row["fit_s"] for row in chosen if row["head"] == head)
                print(f"| {head} |", " | ".join(f"{figure:.1f}" for figure in figures), f"| {slowest:.2f} |")


def part(arrays: Any, name: str) -> tuple[Tensor, Tensor]:
    """Embeddings, unit length, and labels of one part."""
    return unit(arrays[f"{name}_x"]), torch.from_numpy(arrays[f"{name}_y"].astype(np.int64))


def only(rows: tuple[Tensor, Tensor], classes: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of the named classes, numbered anew in their order."""
    where = rows[1][:, None] == classes[None, :]
    return rows[0][where.any(1)], where[where.any(1)].int().argmax(1).long()


def unit(array: np.ndarray) -> Tensor:
    """Float32 rows of length 1; half precision leaves them a little off."""
    return torch.nn.functional.normalize(torch.from_numpy(array.astype(np.float32)), dim=1)


if __name__ == "__main__":
    main()
