"""Images to features: what the cache lacks is decoded, encoded and written, a partition at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from components.backbone import Backbone, Encoded
from components.errors import UserInputError
from components.features.cache import FeatureCache
from components.features.carriers import Features
from components.features.keys import LevelMode, View, feature_key
from components.features.views import augment
from components.files import sha256_bytes
from components.ingest import Limits, load_image

__all__ = ["EncodeSummary", "encode_missing", "encode_views", "level_features"]

BATCH = 16  # every forward pass has this many rows: see Backbone.encode_images
_VIT_GRID = 7  # what CLIP's ResNets have at 224 px
PARTITION = 8 * BATCH  # views in one shard, and in memory for each worker

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class EncodeSummary:
    """What `encode_missing` did.

    Attributes:
        views: how many were asked for.
        encoded: how many of them needed a forward pass.
    """

    views: int
    encoded: int


def encode_missing(
    views: Sequence[View],
    files: Mapping[str, Path],
    backbone: Backbone,
    cache: FeatureCache,
    *,
    mode: LevelMode | None = "grid",
    limits: Limits | None = None,
    images: Mapping[str, Image.Image] | None = None,
    progress: Progress | None = None,
) -> EncodeSummary:
    """Encode those of `views` that the cache lacks, and write them to it.

    Partitions run in threads, one intra-operation thread each, so that features do not depend on how many cores
    there are. Each image of a partition is read and decoded once for all its views. Killed at any moment, what was
    written stays good and the rest is encoded by the next call, to the same bits.

    Args:
        files: image id to its file.
        mode: the form of levels; None: embeddings alone.
        limits: what a photo may be; as it was ingested.
        images: image id to its pixels, of photos that the caller has decoded; their files are not read.
        progress: called with (views done, views to do).

    Raises:
        UserInputError: a file is gone or its bytes are not those of its id any more.
    """
    keys = {view: feature_key(view, backbone.identity.digest, mode) for view in views}
    absent = set(cache.missing(keys.values()))
    to_do = sorted(view for view, key in keys.items() if key in absent)
    partitions = [to_do[start : start + PARTITION] for start in range(0, len(to_do), PARTITION)]
    done = 0

    def run(partition: list[View]) -> tuple[list[View], Features]:
        return partition, encode_views(partition, files, backbone, mode, limits, images)

    before = torch.get_num_threads()
    workers = min(len(partitions), os.cpu_count() or 1) or 1
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: set[Future[tuple[list[View], Features]]] = set()
        queue = iter(partitions)
        try:
            while True:
                # No more partitions in flight than workers: memory stays bounded whatever their number.
                while len(waiting) < workers and (partition := next(queue, None)) is not None:
                    waiting.add(pool.submit(run, partition))
                if not waiting:
                    break
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for future in finished:
                    partition, features = future.result()
                    cache.write([keys[view] for view in partition], features)
                    done += len(partition)
                    if progress:
                        progress(done, len(to_do))
        finally:
            for future in waiting:
                future.cancel()
            torch.set_num_threads(before)
    return EncodeSummary(len(keys), len(to_do))


def encode_views(
    partition: Sequence[View],
    files: Mapping[str, Path],
    backbone: Backbone,
    mode: LevelMode | None,
    limits: Limits | None = None,
    images: Mapping[str, Image.Image] | None = None,
) -> Features:
    """The features of some views: a pure function of the photos' bytes and the backbone.

    Views of the same image must stand together (as sorting puts them) for it to be decoded once.
    """
    parts: list[Features] = []
    image_id, image = "", None
    for start in range(0, len(partition), BATCH):
        rows: list[Tensor] = []
        for view in partition[start : start + BATCH]:
            if view.image_id != image_id or image is None:
                image_id = view.image_id
                image = (images or {}).get(image_id) or _read(image_id, files[image_id], limits)
            rows.append(backbone.preprocess(augment(image, view)))
        pixels = torch.stack(rows)
        padded = F.pad(pixels, (0, 0, 0, 0, 0, 0, 0, BATCH - len(rows)))
        parts.append(level_features(backbone.encode_images(padded, levels=mode is not None), mode)[: len(rows)])
    return Features.concatenate(parts)


def level_features(encoded: Encoded, mode: LevelMode | None) -> Features:
    """A batch's features with its levels in the form that `mode` asks for, on the CPU.

    `grid` averages each level down to the last level's own grid, a transformer's to 7 x 7 at most (all its levels have
    the last one's grid); `pooled` over the whole map; `full` keeps it. A ViT's class tokens stay apart, as they are.
    """
    maps = encoded.levels
    if not maps or mode is None:
        return Features(encoded.embedding.cpu())
    if mode == "pooled":
        levels = [level.float().mean((2, 3)) for level in maps]
    elif mode == "grid":
        sides = (int(maps[-1].shape[2]), int(maps[-1].shape[3]))
        alike = all(level.shape[2:] == maps[-1].shape[2:] for level in maps)
        grid = (min(sides[0], _VIT_GRID), min(sides[1], _VIT_GRID)) if alike else sides
        levels = [F.adaptive_avg_pool2d(level.float(), grid) for level in maps]
    else:
        levels = list(maps)
    return Features(
        encoded.embedding.cpu(),
        tuple(level.half().cpu() for level in levels),
        tuple(token.half().cpu() for token in encoded.class_tokens),
    )


def _read(image_id: str, path: Path, limits: Limits | None) -> Image.Image:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserInputError(
            "a photo cannot be read", on=str(path), remedy="put it back, or run again without it"
        ) from error
    if sha256_bytes(content) != image_id:
        raise UserInputError(
            "a photo has changed since it was ingested",
            on=str(path),
            remedy="run again; it will be ingested as it is now",
        )
    return load_image(content, limits, name=str(path))
