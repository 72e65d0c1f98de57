"""The section `features` of `params.yaml`."""

from string import Formatter
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from components.features.keys import LevelMode

__all__ = ["FeaturesSettings"]


def _template(text: str) -> str:
    try:
        places = [name for _, name, _, _ in Formatter().parse(text) if name is not None]
    except ValueError:
        places = []
    if places != [""]:
        raise ValueError(f"{text!r} must hold {{}} once, where the class name goes, and no other braces")
    return text


@dataclass(frozen=True, config=ConfigDict(strict=True))
class FeaturesSettings:
    """What is encoded and kept.

    Attributes:
        views: augmented views of each support photo beside the clean one.
        mode: the form of the feature levels: `pooled`, `grid` or `full`.
        templates: prompts; `{}` is where the class name goes.
        cache_limit_gb: size of the features cache beyond which what was read longest ago is removed.
    """

    views: Annotated[int, Field(ge=0, le=1000)] = 0
    mode: LevelMode = "grid"
    templates: Annotated[tuple[Annotated[str, AfterValidator(_template)], ...], Field(min_length=1)] = (
        "a photo of a {}.",
    )
    cache_limit_gb: Annotated[float, Field(gt=0.0)] = 20.0
