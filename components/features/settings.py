"""The section `features` of `params.yaml`."""

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from components.features.keys import LevelMode

__all__ = ["FeaturesSettings"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class FeaturesSettings:
    """What is encoded and kept.

    Attributes:
        views: augmented views of each support photo beside the clean one.
        mode: the form of the feature levels: `pooled`, `grid` or `full`.
        templates: prompts; `{}` is where the class name goes.
        cache_limit_gb: size of the features cache beyond which what was read longest ago is removed.
    """

    views: int = 0
    mode: LevelMode = "grid"
    templates: tuple[str, ...] = ("a photo of a {}.",)
    cache_limit_gb: float = 20.0
