"""A second encoder beside a real CLIP: the embedded tower's embedding beside CLIP ViT-B/32's, on Caltech101's photos.

    python benchmarks/beside.py --features DIR --caltech DIR [--cache DIR] [--draws 3] [--weights 0.4]

`--features` is that of heads_real_clip.py; its `caltech101.npz` names the photo of each validation and test row
(`val_path`, `test_path`), which lie under `--caltech`. Support sets are drawn from the validation rows: K photos a
class, all that there are where a class has fewer. Test rows measure. Image only, MAP-LR with the generic covariances
of both. The first run encodes 4,114 photos; they are kept in `--cache`.

top-1: percent of the test photos of all 100 classes. unknown: AUROC, in percent, of the highest probability, where half
of the classes (drawn anew each time) are known and the test photos of the other half are not.

The weight is a parameter (`backbone.beside_weight`); several can be given to look at it on development rows with
`--development`: then half of the validation rows are drawn from and the other half measures, and no test row is read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import numpy as np
import torch
from torch import Tensor

from components.backbone import joined, load_backbone
from components.features import FeatureCache, Features, View, encode_missing, feature_key
from components.files import sha256_file
from components.heads import Support
from components.heads.map_lr import MapLR

MODELS = Path(__file__).resolve().parents[1] / "models"
PHOTOS = "101_ObjectCategories"
Rows = tuple[Tensor, Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--caltech", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/shotline/benchmarks")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--weights", type=float, nargs="*", default=[0.4])
    parser.add_argument("--development", action="store_true", help="measure on half of the validation rows")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)

    arrays = np.load(arguments.features / "caltech101.npz")
    beside = load_backbone("embedded", models=MODELS, device="cpu")
    first = torch.from_numpy(np.load(arguments.features / "generic_covariance.npz")["s0"])
    second = beside.covariance
    assert second is not None
    parts = {}
    for name in ("val",) if arguments.development else ("val", "test"):
        clip = torch.nn.functional.normalize(torch.from_numpy(arrays[f"{name}_x"]).float(), dim=1)
        paths = [arguments.caltech / PHOTOS / path for path in arrays[f"{name}_path"].tolist()]
        parts[name] = (clip, embedded(paths, beside, arguments.cache), torch.from_numpy(arrays[f"{name}_y"]))
    rows = []
    for weight in (0.0, *arguments.weights):
        covariance = first
        if weight:
            covariance = torch.block_diag(first, second * (weight**2 * first.trace() / second.trace()))
        pooled = {name: (_both(clip, own, weight), y) for name, (clip, own, y) in parts.items()}
        for shots in arguments.shots:
            for draw in range(arguments.draws):
                support, query = _halves(pooled["val"], draw) if arguments.development else (pooled["val"], None)
                query = query or pooled["test"]
                top1, unknown = measured(support, query, covariance, shots, draw)
                rows.append({"weight": weight, "shots": shots, "draw": draw, "top1": top1, "unknown": unknown})
    if arguments.json:
        arguments.json.write_text(json.dumps({"version": 1, "rows": rows}, indent=1) + "\n")
    print_table(rows, arguments.shots)


def embedded(paths: Sequence[Path], backbone, cache_folder: Path) -> Tensor:  # type: ignore[no-untyped-def]
    """(n, d): unit embeddings of the photos, encoded once and kept."""
    ids = [sha256_file(path) for path in paths]
    cache = FeatureCache(cache_folder)
    views = [View(image_id) for image_id in ids]
    encode_missing(views, dict(zip(ids, paths, strict=True)), backbone, cache, mode=None)
    return cache.read([feature_key(view, backbone.identity.digest, None) for view in views], levels=False).embedding


def measured(support: Rows, query: Rows, covariance: Tensor, shots: int, draw: int) -> tuple[float, float]:
    """Top-1 with all classes known, and AUROC of the unknown with half of them."""
    random = torch.Generator().manual_seed(draw)
    (x, y), (test_x, test_y) = support, query
    n_classes = int(y.max()) + 1
    chosen = torch.cat([_some(torch.nonzero(y == label).flatten(), shots, random) for label in range(n_classes)])
    head = _fitted(x[chosen], y[chosen], n_classes, covariance)
    top1 = (head.scores(Features(test_x)).argmax(1) == test_y).double().mean()

    known = torch.randperm(n_classes, generator=random)[: n_classes // 2]
    number = torch.full((n_classes,), -1).scatter(0, known, torch.arange(len(known)))
    there = chosen[number[y[chosen]] >= 0]
    head = _fitted(x[there], number[y[there]], len(known), covariance)
    surest = torch.softmax(head.scores(Features(test_x)).double(), 1).max(1).values
    return 100 * float(top1), 100 * auroc(surest, number[test_y] >= 0)


def auroc(scores: Tensor, positive: Tensor) -> float:
    """Share of pairs of a positive and a negative in which the positive scores higher; a tie counts half."""
    ranks = torch.from_numpy(np.searchsorted(np.sort(scores.numpy()), scores.numpy(), "left")).double()
    ranks = (ranks + torch.from_numpy(np.searchsorted(np.sort(scores.numpy()), scores.numpy(), "right")).double()) / 2
    n, m = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - n * n / 2) / (n * m))


def print_table(rows: Sequence[dict[str, float]], shots: Sequence[int]) -> None:
    """Markdown: a line a weight, mean and spread over draws."""
    cells = [f"{name}, {k}" for name in ("top-1", "unknown") for k in shots]
    print("| weight | " + " | ".join(cells) + " |\n|---:" + "|---:" * len(cells) + "|")
    for weight in dict.fromkeys(row["weight"] for row in rows):
        line = []
        for name in ("top1", "unknown"):
            for k in shots:
                found = [row[name] for row in rows if (row["weight"], row["shots"]) == (weight, k)]
                spread = f" ± {stdev(found):.1f}" if len(found) > 1 else ""
                line.append(f"{mean(found):.1f}{spread}")
        print(f"| {weight:g} | " + " | ".join(line) + " |")


def _fitted(x: Tensor, y: Tensor, n_classes: int, covariance: Tensor) -> MapLR:
    return MapLR().fit(Support.of_images(Features(x), y, n_classes, covariance=covariance))


def _both(clip: Tensor, own: Tensor, weight: float) -> Tensor:
    return joined(clip, own, weight) if weight else clip


def _halves(rows: Rows, draw: int) -> tuple[Rows, Rows]:
    """Validation rows in two: of each class every second photo, in an order drawn anew."""
    x, y = rows
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(100 + draw))
    place = torch.zeros(len(y), dtype=torch.int64)
    for label in y.unique().tolist():
        mine = order[y[order] == label]
        place[mine] = torch.arange(len(mine)) % 2
    return (x[place == 0], y[place == 0]), (x[place == 1], y[place == 1])


def _some(rows: Tensor, n: int, random: torch.Generator) -> Tensor:
    return rows[torch.randperm(len(rows), generator=random)[:n]]


if __name__ == "__main__":
    main()
