"""The section `pool` of `params.yaml`."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = ["PoolSettings"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class PoolSettings:
    """What the pool is for, and how large it may become.

    Attributes:
        use: training learns from it too, where held-out photos say that it helps.
        most_gb: gigabytes of photos at most; what would exceed it is refused.
    """

    use: bool = True
    most_gb: Annotated[float, Field(gt=0.0)] = 10.0
