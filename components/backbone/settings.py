"""The section `backbone` of `params.yaml`."""

from dataclasses import dataclass

__all__ = ["BackboneSettings"]


@dataclass(frozen=True)
class BackboneSettings:
    """Which CLIP, where and in what precision; see `load_backbone` for the values."""

    name: str = "embedded"
    device: str = "auto"
    precision: str = "auto"
