"""`PhotoFeatures`: features of photos by view, read through the cache; every caller gets features by it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from components.backbone import Backbone, Beside, PairedBackbone, joined
from components.features.cache import FeatureCache, ShardGoneError
from components.features.carriers import Features
from components.features.encode import Distribute, EncodeSummary, Progress, encode_missing
from components.features.keys import LevelMode, View, feature_key
from components.features.partition import PARTITION
from components.ingest import Limits

__all__ = ["PhotoFeatures"]

_ALONE = None  # stands for the level mode of embeddings without levels
_EVICTED_MEANWHILE = 3  # how often another process may remove a shard before that is an error
_ROWS_AT_ONCE = 1024  # photos whose whole levels are in memory at once


class MadeWith(Protocol):
    """Names a backbone's features: a `BackboneIdentity`, or the facts that an artefact has of one."""

    @property
    def digest(self) -> str:
        """Digest of the backbone's identity."""

    @property
    def beside(self) -> Beside | Mapping[str, Any] | None:
        """The encoder beside it; None if there is none."""


class PhotoFeatures:
    """Reads what is cached, and encodes what is not.

    Args:
        cache: the features cache.
        mode: the form in which levels are cached.
        made_with: the backbone of the wanted features, with the encoder beside it: its identity, or what an artefact
            says of it.
        backbone: gives that backbone; called only if something has to be encoded. If its digest differs (the same
            weights on another device), features are of that backbone from then on.
        files: gives image id to file; called only if something has to be encoded.
        limits: what a photo may be; as it was ingested.
    """

    def __init__(
        self,
        cache: FeatureCache,
        *,
        mode: LevelMode,
        made_with: MadeWith,
        backbone: Callable[[], Backbone],
        files: Callable[[], Mapping[str, Path]],
        limits: Limits | None = None,
    ) -> None:
        self.cache = cache
        self._mode: LevelMode = mode
        self._digest, self._beside = made_with.digest, _beside_of(made_with)
        self._backbone = backbone
        self._files = files
        self._limits = limits

    def keys(self, views: Sequence[View]) -> list[str]:
        """Where the backbone's features of each view lie in the cache, or will lie."""
        return [feature_key(view, self._digest, self._mode) for view in views]

    def all_keys(self, views: Sequence[View]) -> list[str]:
        """The same, with the keys of the encoder beside it."""
        return self.keys(views) + self._keys_beside(views)

    def _keys_beside(self, views: Sequence[View]) -> list[str]:
        return [] if self._beside is None else [feature_key(view, self._beside.digest, _ALONE) for view in views]

    def encode(
        self,
        views: Sequence[View],
        *,
        images: Mapping[str, Image.Image] | None = None,
        progress: Progress | None = None,
        size: int = PARTITION,
        distribute: Callable[[bool], Distribute] | None = None,
    ) -> EncodeSummary:
        """Take what the cache lacks of `views` from its store, and encode what neither has; see `encode_missing`.

        The encoder beside the backbone encodes on its own: adding it does not repeat the backbone's work.

        Args:
            views: a view may come twice.
            images: see `encode_missing`, as for what follows.
            progress: likewise.
            size: likewise.
            distribute: gives what runs partitions elsewhere; its argument says whether they are of the encoder beside
                the backbone.
        """
        self.cache.fetch(self.all_keys(views))
        if not self.cache.missing(self.all_keys(views)):
            return EncodeSummary(len(set(views)), 0)
        backbone = self._backbone()
        self._digest, self._beside = backbone.identity.digest, backbone.identity.beside
        encoders: list[tuple[Backbone, LevelMode | None]] = [(backbone, self._mode)]
        if isinstance(backbone, PairedBackbone):
            encoders = [(backbone.first, self._mode), (backbone.second, _ALONE)]
        files = self._files()
        done = [
            encode_missing(
                views,
                files,
                encoder,
                self.cache,
                mode=mode,
                limits=self._limits,
                images=images,
                progress=progress,
                size=size,
                distribute=None if distribute is None else distribute(bool(second)),
            )
            for second, (encoder, mode) in enumerate(encoders)
        ]
        return EncodeSummary(done[0].views, max(each.encoded for each in done))

    def read(
        self,
        views: Sequence[View],
        *,
        embedding: bool = True,
        levels: bool = True,
        pooled: bool = False,
        mapped: bool = False,
        images: Mapping[str, Image.Image] | None = None,
        progress: Progress | None = None,
    ) -> Features:
        """The features of `views`, in their order; what is missing is encoded first.

        Args:
            views: a view may come twice.
            embedding: read it; without it embeddings have no columns.
            levels: read them too.
            pooled: average each level over its grid.
            mapped: see `FeatureCache.read`.
            images: pixels of photos that are decoded already, by id.
            progress: see `encode_missing`.
        """
        for _ in range(_EVICTED_MEANWHILE):
            self.encode(views, images=images, progress=progress)
            with contextlib.suppress(ShardGoneError):
                return self._read(views, embedding=embedding, levels=levels, pooled=pooled, mapped=mapped)
        self.encode(views, images=images, progress=progress)
        return self._read(views, embedding=embedding, levels=levels, pooled=pooled, mapped=mapped)

    def _read(self, views: Sequence[View], *, embedding: bool, levels: bool, pooled: bool, mapped: bool) -> Features:
        keys = self.keys(views)
        if levels and pooled:
            starts = range(0, len(keys), _ROWS_AT_ONCE)
            parts = (self.cache.read(keys[at : at + _ROWS_AT_ONCE], embedding=embedding).pooled() for at in starts)
            read = Features.gathered(parts, len(keys))
        else:
            read = self.cache.read(keys, embedding=embedding, levels=levels, mapped=mapped)
        if self._beside is None or not keys or not embedding:
            return read
        second = self.cache.read(self._keys_beside(views), levels=False).embedding
        return replace(read, embedding=joined(read.embedding, second, self._beside.weight))


def _beside_of(made_with: MadeWith) -> Beside | None:
    beside = made_with.beside
    return beside if beside is None or isinstance(beside, Beside) else Beside(**beside)
