"""Sources of a training step's features: held in memory, mapped from disk, or encoded anew from the photos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from components.backbone import Backbone
from components.features import Features, LevelMode, View, augment, level_features
from components.ingest import load_image

__all__ = ["HeldViews", "LiveViews", "StartLogits", "ViewSource", "in_mode"]


class ViewSource(Protocol):
    """Gives the trainer a batch's features."""

    def batch(self, images: Tensor, random: torch.Generator) -> Features:
        """One view of each chosen image; `random` decides which one if there are several."""
        ...


class StartLogits(Protocol):
    """The logits that LDC starts from, of the images of a batch."""

    def __call__(self, images: Tensor, features: Features) -> Tensor:
        """(b, K) of the chosen images in the views that `features` shows."""
        ...


class HeldViews:
    """Views whose features are in memory or mapped from disk; each row shows one of the images.

    Args:
        features: of all rows.
        images: (rows,) int64, the image of each row; None: each row is its own image.
    """

    def __init__(self, features: Features, images: Tensor | None = None) -> None:
        self.features = features
        self._first: Tensor | None = None
        if images is not None and len(images.unique()) < len(images):
            counts = torch.bincount(images)
            self._order = torch.argsort(images, stable=True)
            self._counts, self._first = counts, counts.cumsum(0) - counts

    def batch(self, images: Tensor, random: torch.Generator) -> Features:
        """See `ViewSource`."""
        if self._first is None:
            return self.features[images]
        view = (torch.rand(len(images), generator=random) * self._counts[images]).long()
        return self.features[self._order[self._first[images] + view]]


def in_mode(features: Features, mode: LevelMode) -> Features:
    """The features with their levels in `mode`, from a form that is at least as fine."""
    if mode == "pooled":
        return features.pooled()
    if mode == "grid" and features.levels[0].shape[2:] != features.levels[-1].shape[2:]:
        grid = (features.levels[-1].shape[2], features.levels[-1].shape[3])
        levels = tuple(F.adaptive_avg_pool2d(level.float(), grid) for level in features.levels)
        return Features(features.embedding, levels, features.class_tokens)
    return features


class LiveViews:
    """A fresh random crop of each photo at every step, decoded and encoded when it is asked for: the published loop.

    Args:
        image_ids: of the n images.
        files: image id to its file.
        backbone: encodes.
        mode: the form of the levels.
        workers: threads that decode.
    """

    def __init__(
        self,
        image_ids: Sequence[str],
        files: Mapping[str, Path],
        backbone: Backbone,
        mode: LevelMode,
        workers: int = 1,
    ) -> None:
        self._ids, self._files, self._backbone, self._mode = list(image_ids), files, backbone, mode
        self._pool = ThreadPoolExecutor(workers)

    def batch(self, images: Tensor, random: torch.Generator) -> Features:
        """See `ViewSource`."""
        numbers = torch.randint(1, 2**31, (len(images),), generator=random).tolist()
        views = [View(self._ids[image], number) for image, number in zip(images.tolist(), numbers, strict=True)]
        pixels = torch.stack(list(self._pool.map(self._pixels, views)))
        return level_features(self._backbone.encode_images(pixels, levels=True), self._mode)

    def _pixels(self, view: View) -> Tensor:
        image = load_image(self._files[view.image_id].read_bytes(), name=str(self._files[view.image_id]))
        return self._backbone.preprocess(augment(image, view))
