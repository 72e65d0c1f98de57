"""Images to features: photos that the cache lacks are decoded, encoded and written, a partition at a time."""

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
from components.errors import ShotlineError, UserInputError
from components.features.cache import FeatureCache
from components.features.carriers import Features
from components.features.keys import LevelMode, View
from components.features.partition import PARTITION, FeatureKey, Partition, Plan, commit, extract, plan, renew
from components.features.shard_store import ShardStore
from components.features.views import augment
from components.files import sha256_bytes
from components.ingest import Limits, load_image

__all__ = ["Distribute", "EncodeSummary", "Encoder", "Progress", "encode_missing", "level_features"]

BATCH = 16  # every forward pass has this many rows: see Backbone.encode_images
_VIT_GRID = 7  # what CLIP's ResNets have at 224 px

Progress = Callable[[int, int], None]
Encoding = tuple[Features | None, dict[View, ShotlineError]]

Distribute = Callable[[Plan, ShardStore, Progress | None], None]
"""Runs `extract` on every partition of a plan somewhere, and returns when each has its marker in the store."""


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
    size: int = PARTITION,
    distribute: Distribute | None = None,
) -> EncodeSummary:
    """Encode those of `views` that the cache lacks, and write them to its store.

    Partitions run in threads, one intra-operation thread each, so that features do not depend on how many cores
    there are. Each image of a partition is read and decoded once for all its views. If it is killed at any moment, the
    written partitions stay valid and the next call encodes the rest, to the same bits.

    Args:
        files: image id to its file.
        mode: the form of levels; None: embeddings alone.
        limits: what a photo may be; as it was ingested.
        images: image id to its pixels, of photos that the caller has decoded; their files are not read.
        progress: called with (views done, views to do).
        size: views in a partition.
        distribute: runs the partitions on other machines or processes; None: here.

    Raises:
        UserInputError: a file is gone or has changed since it was ingested; the others are encoded.
    """
    key = FeatureKey(backbone.identity.digest, mode)
    keys = {view: key.of(view) for view in views}
    absent = set(cache.missing(keys.values()))
    decoded = images or {}
    to_do = [
        (view, "" if view.image_id in decoded else str(files[view.image_id]))
        for view, of in keys.items()
        if of in absent
    ]
    partitions = plan(to_do, key, size)
    renew(cache.store, partitions)
    if distribute is not None and partitions:
        distribute(partitions, cache.store, progress)
        failures = commit(cache.store, partitions).failures
        error: ShotlineError | None = _refused(failures) if failures else None
    else:
        error = _encode_here(partitions, cache.store, Encoder(backbone, mode, limits, images), progress)
    cache.store.sweep({partition.id for partition in partitions})
    cache.take(partitions)
    if error is not None:
        raise error
    return EncodeSummary(len(keys), len(to_do))


def _encode_here(
    partitions: Plan, store: ShardStore, encode: Encoder, progress: Progress | None
) -> ShotlineError | None:
    """Run the partitions in threads; returns the first photo's error, or None."""
    total, done = sum(len(partition.views) for partition in partitions), 0
    errors: list[ShotlineError] = []

    def run(partition: Partition) -> int:
        def telling(views: Sequence[View], files: Mapping[str, str]) -> Encoding:
            features, failures = encode(views, files)
            errors.extend(failures.values())
            return features, failures

        extract(partition, store, telling)
        return len(partition.views)

    before = torch.get_num_threads()
    workers = min(len(partitions), os.cpu_count() or 1) or 1
    with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting: set[Future[int]] = set()
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
                    done += future.result()
                    if progress:
                        progress(done, total)
        finally:
            for future in waiting:
                future.cancel()
            torch.set_num_threads(before)
    return errors[0] if errors else None


def _refused(failures: Mapping[str, str]) -> UserInputError:
    first = next(iter(failures.values()))
    return UserInputError(
        f"{len(failures)} photos could not be encoded, the first: {first}",
        on="features",
        remedy="put them back, or run again without them; all others are encoded",
    )


@dataclass(frozen=True)
class Encoder:
    """Views to features, a pure function of the photos' bytes and the backbone; an `Encode`.

    Attributes:
        backbone: that encodes.
        mode: the form of levels.
        limits: what a photo may be.
        images: pixels of photos that are decoded already, by id.
    """

    backbone: Backbone
    mode: LevelMode | None
    limits: Limits | None = None
    images: Mapping[str, Image.Image] | None = None

    def __call__(self, views: Sequence[View], files: Mapping[str, str]) -> Encoding:
        """See `Encode`. Views of the same image must stand together (as sorting puts them) for it to be decoded once."""
        parts: list[Features] = []
        failures: dict[View, ShotlineError] = {}
        rows: list[Tensor] = []
        image_id, image = "", None
        for view in views:
            if view.image_id != image_id:
                image_id, image = view.image_id, None
                try:
                    image = (self.images or {}).get(image_id) or _read(image_id, Path(files[image_id]), self.limits)
                except ShotlineError as error:
                    broken = error
            if image is None:
                failures[view] = broken
                continue
            rows.append(self.backbone.preprocess(augment(image, view)))
            if len(rows) == BATCH:
                parts.append(self._forward(rows))
                rows = []
        if rows:
            parts.append(self._forward(rows))
        return (Features.concatenate(parts) if parts else None), failures

    def _forward(self, rows: list[Tensor]) -> Features:
        padded = F.pad(torch.stack(rows), (0, 0, 0, 0, 0, 0, 0, BATCH - len(rows)))
        encoded = self.backbone.encode_images(padded, levels=self.mode is not None)
        return level_features(encoded, self.mode)[: len(rows)]


def level_features(encoded: Encoded, mode: LevelMode | None) -> Features:
    """A batch's features with its levels in the form that `mode` asks for, on the CPU.

    `grid` averages each level down to the last level's own grid, a transformer's to 7 x 7 at most (all its levels have
    the last one's grid); `pooled` over the whole map; `full` keeps it. A ViT's class tokens are kept unchanged beside
    them.
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
