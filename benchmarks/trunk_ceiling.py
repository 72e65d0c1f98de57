"""What a linear probe finds in the trunk's own features, beside what it finds in the shipped embedding.

    python benchmarks/trunk_ceiling.py FOLDER [FOLDER ...] [--backbone embedded] [--shots 1 4 16] [--seeds 1 2 3]

Each FOLDER is a photo set with a train and a test split, as real_photos.py takes them. *embedding* is the product's
`linear_probe` on the unit embedding (512 numbers of the embedded backbone). The others read the mean of the last map (1,280
numbers), of which the embedding is a linear map: *trunk* as it is, *trunk, unit* each photo at length 1, *trunk, even* each
number at the same spread over the support photos. All are the same logistic regression on the same draws, whose penalty is
chosen on folds of the support photos; test photos measure once. No linear map of the trunk can give a linear probe more
than the trunk holds, so where `trunk` misses a bar another last layer will hardly reach it.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import torch
from lib.photo_sets import PhotoSet, photo_set
from torch import Tensor
from torch.nn.functional import normalize

from components.features import Features
from components.heads import Support
from components.heads.linear_probe import LinearProbe

Reading = Callable[[Features, Features], Tensor]
"""(n, p) inputs of the first rows; the second are the support photos, which may set a scale."""


def last_level(features: Features) -> Tensor:
    """(n, c): the mean of the last map."""
    return features.pooled_levels()[-1].float()


def even(features: Features, support: Features) -> Tensor:
    """(n, c): the last level, each number by its spread over the support photos."""
    spread = last_level(support).std(0, correction=0)
    return last_level(features) / spread.clamp_min(1e-3 * float(spread.max()))


READINGS: dict[str, Reading] = {
    "embedding": lambda features, _: features.embedding,
    "trunk": lambda features, _: last_level(features),
    "trunk, unit": lambda features, _: normalize(last_level(features), dim=1),
    "trunk, even": even,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--backbone", default="embedded")
    parser.add_argument("--shots", type=int, nargs="*", default=[1, 4, 16])
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    columns = {}
    for folder in arguments.folders:
        photos = photo_set(folder, cache=arguments.cache, backbone=arguments.backbone)
        for shots in arguments.shots:
            columns[f"{folder.name}, {shots}"] = measure(photos, shots, arguments.seeds)
    print("| probe on | " + " | ".join(columns) + " |")
    print("|---|" + "---:|" * len(columns))
    for name in READINGS:
        print(f"| {name} | " + " | ".join(figure(column[name]) for column in columns.values()) + " |")


def measure(photos: PhotoSet, shots: int, seeds: list[int]) -> dict[str, list[float]]:
    """Top-1 in percent of the probe on each reading, a figure a seed."""
    found: dict[str, list[float]] = {name: [] for name in READINGS}
    query, labels = photos.query
    for seed in seeds:
        support = photos.support(shots, seed)
        for name, reading in READINGS.items():
            head = LinearProbe().fit(seen(support, reading))
            answers = head.scores(Features(reading(query, support.features))).argmax(1)
            found[name].append(100 * float((answers == labels).double().mean()))
    return found


def seen(support: Support, reading: Reading) -> Support:
    """The support set with the reading in the embedding's place; classes have no words, which a probe doesn't read."""
    inputs = Features(reading(support.features, support.features))
    return replace(support, features=inputs, text_embeddings=None, covariance=None, projector=None)


def figure(found: list[float]) -> str:
    """Mean and spread; one seed has no spread."""
    return f"{mean(found):.1f} ± {stdev(found):.1f}" if len(found) > 1 else f"{found[0]:.1f}"


if __name__ == "__main__":
    main()
