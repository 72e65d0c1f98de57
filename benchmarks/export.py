"""How well an export's stand-in answers in the place of the head that it stands for.

    python benchmarks/export.py SET... [--shots 4 16] [--seeds 1 2 3] [--heads map_lr ... ldc]

SET is a photo set, encoded by the embedded backbone. Each head is fitted on the drawn shots; test photos measure
only. Top-1 in percent, means over seeds: of the head, of `shotline export`'s columns for it, of the names alone
(zero-shot); and the share of test photos and of support photos (`agreement`, which the export carries) to which columns
and head give the same first answer.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from lib.photo_sets import PhotoSet, photo_set

from components.classifier import fit_head
from components.heads import Head, stand_in
from components.ldc import LdcSettings, fit_ldc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=Path, nargs="+", metavar="SET")
    parser.add_argument("--shots", type=int, nargs="+", default=[4, 16])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--heads", nargs="+", default=["map_lr", "tip_adapter_f", "linear_probe_levels", "ldc"])
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "shotline-benchmark-features")
    arguments = parser.parse_args()
    print("| set | shots | head | head | export | names alone | same answer, test | same answer, support left out |")
    print("|---|---:|---|---:|---:|---:|---:|---:|")
    for folder in arguments.sets:
        photos = photo_set(folder, cache=arguments.cache)
        for shots in arguments.shots:
            for name in arguments.heads:
                rows = [figures(name, photos, shots, seed) for seed in arguments.seeds]
                means = [100 * sum(column) / len(rows) for column in zip(*rows, strict=True)]
                print(
                    f"| {folder.name} | {shots} | {name} | " + " | ".join(f"{each:.1f}" for each in means) + " |",
                    flush=True,
                )


def figures(name: str, photos: PhotoSet, shots: int, seed: int) -> list[float]:
    """Shares: right by the head, by the columns, by the names; same answer on test photos, on support photos."""
    support, (features, labels) = photos.support(shots, seed), photos.query
    if name == "ldc":
        validation = photos.validation(shots, seed)
        head: Head = fit_ldc(support, LdcSettings(), validation=validation, out_of_fold=False).head
    else:
        head = fit_head(name, support)
    seen = head.scores(support.features)
    alike = stand_in(support.features.embedding, seen)  # a temperature would change no first answer
    assert support.text_embeddings is not None
    theirs = head.scores(features).argmax(1)
    mine = (features.embedding @ alike.weights.T + alike.offsets).argmax(1)
    words = (features.embedding @ support.text_embeddings.T).argmax(1)
    on_support = alike.left_out.argmax(1)
    pairs = ((theirs, labels), (mine, labels), (words, labels), (mine, theirs), (on_support, seen.argmax(1)))
    return [float((first == second).double().mean()) for first, second in pairs]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
