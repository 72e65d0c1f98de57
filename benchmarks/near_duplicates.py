"""Near-duplicates among many photos: the search by halves against comparing all pairs; the same groups, and seconds.

    python benchmarks/near_duplicates.py [--photos 10000 100000] [--folder CALTECH101] [--pairs 20000]

Thumbnails are drawn: smooth patterns of 16 x 16 (`drawn`), or crops of the photos below a folder, each by a tenth to a half
of its sides (`crops`); one in a hundred is another one made a little brighter. Up to `--pairs` photos all pairs are
compared too, in blocks of matrix products. Processor seconds of one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import sparse

from components.ingest.near_duplicates import groups_of, thumbnail_of

CORRELATION = 0.985  # ingest.near_duplicate
FLAT = 2.0
BLOCK = 2048


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--pairs", type=int, default=20_000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| thumbnails | photos | groups of several | s | all pairs, s | same groups |\n|---|---:|---:|---:|---:|---|")
    for what in ("drawn", "crops") if arguments.folder else ("drawn",):
        for number in arguments.photos:
            random = np.random.default_rng(0)
            source = crops(arguments.folder, random) if what == "crops" else patterns(random)
            thumbnails = with_copies(list(islice(source, number)), random)
            begun = time.process_time()
            groups = groups_of(thumbnails, CORRELATION)
            taken = time.process_time() - begun
            several = int((np.bincount(groups) > 1).sum())
            told = f"| {what} | {number:,} | {several:,} | {taken:.1f} |"
            if number > arguments.pairs:
                print(f"{told} | |", flush=True)
                continue
            begun = time.process_time()
            same = bool((all_pairs(thumbnails) == groups).all())
            print(f"{told} {time.process_time() - begun:.1f} | {'yes' if same else 'NO'} |", flush=True)


def patterns(random: np.random.Generator) -> Iterator[bytes]:
    """Smooth ones: 6 x 6 grey levels, made larger."""
    while True:
        small = Image.fromarray(random.integers(0, 256, (6, 6), dtype=np.uint8))
        yield thumbnail_of(small.resize((64, 64), Image.Resampling.BICUBIC))


def crops(folder: Path, random: np.random.Generator) -> Iterator[bytes]:
    """Of the photos in turn."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".jpg", ".png", ".bmp"})
    greys = []
    for path in paths:
        with Image.open(path) as photo:
            greys.append(photo.convert("L").resize((96, 96)))
    for grey in cycle(greys):
        side = int(random.integers(48, 87))
        left, top = random.integers(0, 97 - side, 2)
        yield thumbnail_of(grey.crop((int(left), int(top), int(left) + side, int(top) + side)))


def with_copies(thumbnails: list[bytes], random: np.random.Generator) -> list[bytes]:
    """One in a hundred becomes another one, a little brighter."""
    for row in random.choice(len(thumbnails), len(thumbnails) // 100, replace=False):
        other = np.frombuffer(thumbnails[int(random.integers(len(thumbnails)))], np.uint8)
        thumbnails[row] = np.minimum(other.astype(np.int16) + 8, 255).astype(np.uint8).tobytes()
    return thumbnails


def all_pairs(thumbnails: list[bytes]) -> NDArray[np.int64]:
    """The lowest row of each row's group, by all correlations."""
    pixels = np.frombuffer(b"".join(thumbnails), np.uint8).reshape(len(thumbnails), -1).astype(np.float64)
    centred = pixels - pixels.mean(1, keepdims=True)
    spread = centred.std(1, keepdims=True)
    unit = centred / np.maximum(spread, 1e-9) / np.sqrt(pixels.shape[1])
    first, second = [], []
    for start in range(0, len(unit), BLOCK):
        row, column = np.nonzero(unit[start : start + BLOCK] @ unit.T >= CORRELATION - 1e-12)
        first.append(row + start)
        second.append(column)
    row, column = np.concatenate(first), np.concatenate(second)
    wide = (spread[:, 0] >= FLAT)[row] & (spread[:, 0] >= FLAT)[column]
    links = sparse.coo_matrix((np.ones(int(wide.sum())), (row[wide], column[wide])), shape=(len(unit),) * 2)
    _, component = sparse.csgraph.connected_components(links, directed=False)
    _, lowest = np.unique(component, return_index=True)
    return np.asarray(lowest[component], np.int64)


if __name__ == "__main__":
    main()
