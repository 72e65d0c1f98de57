"""The section `classifier` of `params.yaml`."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from components.heads.names import HEAD_NAMES, ZERO_SHOT
from components.ldc.settings import LDC_HEAD

__all__ = ["ClassifierSettings"]


_NAMES = (*HEAD_NAMES, LDC_HEAD)


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in _NAMES]:
        raise ValueError(f'there is no head "{unknown[0]}"; use some of {", ".join(_NAMES)}')
    return names


@dataclass(frozen=True, config=ConfigDict(strict=True))
class ClassifierSettings:
    """What is fitted, and how it is chosen.

    Attributes:
        heads: the candidates; those that the photos or the backbone cannot feed are left out. Zero-shot is always one
            where the classes have words: nothing worse than it is shipped.
        folds: at most so many; never more than the typical class has photos.
        repeats: how often the folds are drawn anew.
        unknown_share: share of the classes' own photos that may be taken for unknown.
    """

    heads: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known)] = _NAMES
    folds: Annotated[int, Field(ge=2)] = 4
    repeats: Annotated[int, Field(ge=1)] = 2
    unknown_share: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05

    @property
    def candidates(self) -> tuple[str, ...]:
        """The heads to fit, zero-shot among them; LDC is fitted by a stage of its own."""
        heads = tuple(name for name in self.heads if name != LDC_HEAD)
        return heads if ZERO_SHOT in heads else (ZERO_SHOT, *heads)

    @property
    def wants_ldc(self) -> bool:
        """LDC is one of the candidates."""
        return LDC_HEAD in self.heads
