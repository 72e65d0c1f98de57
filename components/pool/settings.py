"""The section `pool` of `params.yaml`."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = ["PoolSettings"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class PoolSettings:
    """What the pool is used for, and its limits.

    Attributes:
        use: training may learn from it; held-out photos decide whether that ships.
        most_gb: gigabytes of photos at most; photos beyond it are refused.
        keep_per_hour: photos that `serve --keep` keeps in an hour at most.
        keep_most: photos that it keeps in all at most.
        keep_margin: it keeps photos whose two highest probabilities are closer than this.
        keep_sample: share of all other photos that it keeps too.
    """

    use: bool = True
    most_gb: Annotated[float, Field(gt=0.0)] = 10.0
    keep_per_hour: Annotated[int, Field(ge=0)] = 60
    keep_most: Annotated[int, Field(ge=0)] = 1000
    keep_margin: Annotated[float, Field(ge=0.0, le=1.0)] = 0.2
    keep_sample: Annotated[float, Field(ge=0.0, le=1.0)] = 0.01
