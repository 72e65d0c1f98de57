"""Two classifiers on the same photos: how often the paired test tells apart what differs in nothing that matters, and whether a
class that was spoilt is named first.

    python benchmarks/compare.py --features DIR [--pairs 100] [--set oxford_pets] [--shots 8] [--json FILE]

DIR is that of heads_real_clip.py. The two classifiers of a pair are the same head fitted on two drawings of the support
photos from one validation part, so that on average neither is better; all test photos measure both. A drawing is in one
pair only, but pairs share test photos. `alarms`: both tests show a difference; `alarms_over_photos`: McNemar's alone, which
asks whether these two very classifiers differ, not whether one recipe is better. `alarms_by_lot`: each photo that the two
answer differently is given to one of them by a coin, which is what McNemar's test supposes. Then one class is spoilt:
three quarters of its support photos are replaced by photos of other classes.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from heads_real_clip import part
from torch import Tensor

from components.artefacts import AnsweredPhoto
from components.classifier import fit_head
from components.features import Features
from components.heads import Support
from components.report import Comparison, compare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=Path, required=True)
    parser.add_argument("--set", default="oxford_pets")
    parser.add_argument("--shots", type=int, default=8)
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--head", default="nearest_mean")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    arrays = np.load(arguments.features / f"{arguments.set}.npz")
    drawn_from, test = part(arrays, "val"), part(arrays, "test")

    def answers(seed: int, spoilt: int | None = None) -> list[AnsweredPhoto]:
        return answered(drawn_from, test, arguments.head, arguments.shots, seed, spoilt)

    random = np.random.default_rng(0)
    alarms, over_photos, by_lot, spoilt_first = [], [], [], []
    for pair in range(arguments.pairs):
        first, second = answers(2 * pair), answers(2 * pair + 1)
        found = compare(first, second)
        alarms.append(found.differs)
        over_photos.append(found.p < 0.05)
        by_lot.append(compare(*shuffled(first, second, random)).p < 0.05)
        label = pair % int(test[1].max() + 1)
        found = compare(first, answers(2 * pair, spoilt=label))
        spoilt_first.append(named_first(found, str(label)))
    figures = {
        "set": arguments.set,
        "shots": arguments.shots,
        "pairs": arguments.pairs,
        "alarms": float(np.mean(alarms)),
        "alarms_over_photos": float(np.mean(over_photos)),
        "alarms_by_lot": float(np.mean(by_lot)),
        "spoilt_class_named_first": float(np.mean(spoilt_first)),
    }
    if arguments.json:
        arguments.json.write_text(json.dumps({"version": 1, **figures}, indent=1) + "\n")
    print(json.dumps(figures, indent=1))


def answered(
    drawn_from: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    head: str,
    shots: int,
    seed: int,
    spoilt: int | None,
) -> list[AnsweredPhoto]:
    """What a head fitted on one drawing answers about all test photos."""
    x, y = drawn_from
    random = torch.Generator().manual_seed(seed)
    n_classes = int(y.max()) + 1
    rows = torch.cat(
        [
            places[torch.randperm(len(places), generator=random)[:shots]]
            for places in (torch.nonzero(y == label).flatten() for label in range(n_classes))
        ]
    )
    labels = y[rows].clone()
    if spoilt is not None:
        own = torch.nonzero(labels == spoilt).flatten()
        own = own[: 3 * len(own) // 4]
        others = torch.nonzero(y != spoilt).flatten()
        rows[own] = others[torch.randperm(len(others), generator=random)[: len(own)]]
    model = fit_head(head, Support.of_images(Features(x[rows]), labels, n_classes))
    probabilities = torch.softmax(model.scores(Features(test[0])), 1)
    best = probabilities.max(1)
    return [
        AnsweredPhoto(str(row), str(label), str(answer), probability, None, None, (), False, "")
        for row, (label, answer, probability) in enumerate(
            zip(test[1].tolist(), best.indices.tolist(), best.values.tolist(), strict=True)
        )
    ]


def shuffled(
    first: list[AnsweredPhoto], second: list[AnsweredPhoto], random: np.random.Generator
) -> tuple[list[AnsweredPhoto], list[AnsweredPhoto]]:
    """Both, each photo's two answers given to either by a coin."""
    swap = random.random(len(first)) < 0.5
    pairs = [(b, a) if each else (a, b) for a, b, each in zip(first, second, swap, strict=True)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def named_first(found: Comparison, name: str) -> bool:
    return found.classes[0].name == name and found.classes[0].became_wrong > 0


if __name__ == "__main__":
    main()
