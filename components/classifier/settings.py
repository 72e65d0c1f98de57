"""The section `classifier` of `params.yaml`."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from components.heads import HEADS

__all__ = ["ClassifierSettings"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class ClassifierSettings:
    """What is fitted, and how it is chosen.

    Attributes:
        heads: the candidates; those that the photos or the backbone cannot feed are left out.
        folds: at most so many; never more than the typical class has photos.
        repeats: how often the folds are drawn anew.
        unknown_share: share of the classes' own photos that may be taken for unknown.
    """

    heads: tuple[str, ...] = tuple(HEADS)
    folds: Annotated[int, Field(ge=2)] = 4
    repeats: Annotated[int, Field(ge=1)] = 2
    unknown_share: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
