"""`PhotoFeatures`: features of photos by view, read through the cache; the one way from a photo to its features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from PIL import Image

from components.backbone import Backbone
from components.features.cache import FeatureCache
from components.features.carriers import Features
from components.features.encode import EncodeSummary, Progress, encode_missing
from components.features.keys import LevelMode, View, feature_key
from components.ingest import Limits

__all__ = ["PhotoFeatures"]

_ROWS_AT_ONCE = 1024  # whose whole levels are in memory at once


class PhotoFeatures:
    """Reads what is cached, and encodes what is not.

    Args:
        cache: the features cache.
        mode: the form in which levels are cached.
        digest: of the backbone that the features are wanted of (`BackboneIdentity.digest`).
        backbone: gives that backbone; called only if something has to be encoded. Where its digest is another (the same
            weights on another device), features are of that one from then on.
        files: gives image id to file; called only if something has to be encoded.
        limits: what a photo may be; as it was ingested.
    """

    def __init__(
        self,
        cache: FeatureCache,
        *,
        mode: LevelMode,
        digest: str,
        backbone: Callable[[], Backbone],
        files: Callable[[], Mapping[str, Path]],
        limits: Limits | None = None,
    ) -> None:
        self.cache = cache
        self._mode: LevelMode = mode
        self._digest = digest
        self._backbone = backbone
        self._files = files
        self._limits = limits

    def keys(self, views: Sequence[View]) -> list[str]:
        """Where each view's features lie in the cache, or will lie."""
        return [feature_key(view, self._digest, self._mode) for view in views]

    def encode(
        self,
        views: Sequence[View],
        *,
        images: Mapping[str, Image.Image] | None = None,
        progress: Progress | None = None,
    ) -> EncodeSummary:
        """Encode what the cache lacks of `views`; see `encode_missing`."""
        if not self.cache.missing(self.keys(views)):
            return EncodeSummary(len(set(views)), 0)
        backbone = self._backbone()
        self._digest = backbone.identity.digest
        return encode_missing(
            views,
            self._files(),
            backbone,
            self.cache,
            mode=self._mode,
            limits=self._limits,
            images=images,
            progress=progress,
        )

    def read(
        self,
        views: Sequence[View],
        *,
        levels: bool = True,
        pooled: bool = False,
        mapped: bool = False,
        images: Mapping[str, Image.Image] | None = None,
        progress: Progress | None = None,
    ) -> Features:
        """The features of `views`, in their order; what is missing is encoded first.

        Args:
            views: a view may come twice.
            levels: read them too.
            pooled: average each level over its grid.
            mapped: see `FeatureCache.read`.
            images: pixels of photos that are decoded already, by id.
            progress: see `encode_missing`.
        """
        self.encode(views, images=images, progress=progress)
        keys = self.keys(views)
        if not (levels and pooled):
            return self.cache.read(keys, levels=levels, mapped=mapped)
        starts = range(0, max(1, len(keys)), _ROWS_AT_ONCE)
        return Features.concatenate([self.cache.read(keys[at : at + _ROWS_AT_ONCE]).pooled() for at in starts])
