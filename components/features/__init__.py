"""Image, level and text features of a backbone, and the cache that saves every forward pass done once.

In: image ids with their files, class names, a `Backbone`. Out: `Features` by key; text embeddings. `partition.py` cuts
the work so that it runs on many machines, `distributed.py` watches over it, and `shard_store.py` says what of it counts.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.features.cache import FeatureCache, features_cache
    from components.features.carriers import Features
    from components.features.distributed import EncodingWork, LoadBackbone, encode_partition, until_committed
    from components.features.encode import Distribute, Encoder, EncodeSummary, encode_missing, level_features
    from components.features.keys import LEVEL_MODES, LevelMode, View, feature_key
    from components.features.partition import Commit, FeatureKey, Partition, commit, extract, plan
    from components.features.photo_features import PhotoFeatures
    from components.features.ray_runner import on_ray
    from components.features.settings import FeaturesSettings
    from components.features.shard_store import Marker, ShardStore
    from components.features.texts import class_embeddings
    from components.features.views import augment

__all__ = [
    "LEVEL_MODES",
    "Commit",
    "Distribute",
    "EncodeSummary",
    "Encoder",
    "EncodingWork",
    "FeatureCache",
    "FeatureKey",
    "Features",
    "FeaturesSettings",
    "LevelMode",
    "LoadBackbone",
    "Marker",
    "Partition",
    "PhotoFeatures",
    "ShardStore",
    "View",
    "augment",
    "class_embeddings",
    "commit",
    "encode_missing",
    "encode_partition",
    "extract",
    "feature_key",
    "features_cache",
    "level_features",
    "on_ray",
    "plan",
    "until_committed",
]

on_demand(__name__)
