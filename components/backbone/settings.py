"""The section `backbone` of `params.yaml`."""

from pathlib import PurePath
from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = ["BackboneSettings"]


def _within(name: str) -> str:
    path = PurePath(name.partition("/")[2] if name.count("/") else name)
    if PurePath(name).is_absolute() or path.is_absolute() or ".." in PurePath(name).parts or name.startswith("~"):
        raise ValueError(
            "weights outside the workspace are not seen to change: `shotline train --backbone` copies them"
        )
    return name


@dataclass(frozen=True, config=ConfigDict(strict=True))
class BackboneSettings:
    """Which CLIP, where and in what precision; see `load_backbone` for the values.

    Attributes:
        name: `embedded`, `MODEL/TAG`, `hf-hub:OWNER/MODEL@REVISION`, or what lies in `models/checkpoints`; never a path
            that leads elsewhere.
        device: `auto`, `cpu` or `cuda`.
        precision: `auto`, `fp32`, `bf16` or `fp16`.
        beside: a second image encoder beside the first: `none`, or a backbone's name.
        beside_weight: weight of its unit embedding; the first's has weight 1.
    """

    name: Annotated[str, Field(min_length=1), AfterValidator(_within)] = "embedded"
    device: Annotated[str, Field(pattern="^(auto|cpu|cuda)$")] = "auto"
    precision: Annotated[str, Field(pattern="^(auto|fp32|bf16|fp16)$")] = "auto"
    beside: Annotated[str, Field(min_length=1), AfterValidator(_within)] = "none"
    beside_weight: Annotated[float, Field(gt=0.0, le=10.0)] = 0.4

    def __post_init__(self) -> None:
        if self.beside == self.name:
            raise ValueError(f"beside {self.name} stands another encoder, or none: it is {self.beside!r} itself")
