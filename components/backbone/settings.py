"""The section `backbone` of `params.yaml`."""

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

__all__ = ["BackboneSettings"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class BackboneSettings:
    """Which CLIP, where and in what precision; see `load_backbone` for the values."""

    name: str = "embedded"
    device: str = "auto"
    precision: str = "auto"
