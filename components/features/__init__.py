"""Image, level and text features of a backbone, and the cache that saves every forward pass done once.

In: image ids with their files, class names, a `Backbone`. Out: `Features` by key; text embeddings.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.features.cache import FeatureCache
    from components.features.carriers import Features
    from components.features.encode import EncodeSummary, encode_missing, level_features
    from components.features.keys import LEVEL_MODES, LevelMode, View, feature_key
    from components.features.photo_features import PhotoFeatures
    from components.features.settings import FeaturesSettings
    from components.features.texts import class_embeddings
    from components.features.views import augment

__all__ = [
    "LEVEL_MODES",
    "EncodeSummary",
    "FeatureCache",
    "Features",
    "FeaturesSettings",
    "LevelMode",
    "PhotoFeatures",
    "View",
    "augment",
    "class_embeddings",
    "encode_missing",
    "feature_key",
    "level_features",
]

on_demand(__name__)
