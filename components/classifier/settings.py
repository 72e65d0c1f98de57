"""The section `classifier` of `params.yaml`."""

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.dataclasses import dataclass

from components.classifier.registry import CLASSIFIER_HEADS, HEADS

__all__ = ["ClassifierSettings"]


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    if unknown := [name for name in names if name not in HEADS]:
        raise ValueError(f'there is no head "{unknown[0]}"; use some of {", ".join(HEADS)}')
    return names


@dataclass(frozen=True, config=ConfigDict(strict=True))
class ClassifierSettings:
    """What is fitted, and how it is chosen.

    Attributes:
        heads: the candidates; a head that needs what photos or backbone lack is left out. Zero-shot is always a
            candidate if the classes have words: nothing worse than it is shipped.
        folds: the highest number of folds; never more than the median class has photos.
        repeats: how often the folds are drawn.
        unknown_share: share of the classes' own photos that may be taken for unknown.
        wanted_accuracy: share of the answers that must be right, such as 0.95: photos that are not sure enough for it
            are unknown, beyond `unknown_share`. None: nothing is wanted.
    """

    heads: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known)] = tuple(HEADS)
    folds: Annotated[int, Field(ge=2)] = 4
    repeats: Annotated[int, Field(ge=1)] = 2
    unknown_share: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05
    wanted_accuracy: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None

    @property
    def candidates(self) -> tuple[str, ...]:
        """The heads to fit, zero-shot among them; LDC is fitted by a stage of its own."""
        heads = tuple(name for name in self.heads if name in CLASSIFIER_HEADS)
        return heads if "zero_shot" in heads else ("zero_shot", *heads)

    @property
    def wants_ldc(self) -> bool:
        """Whether LDC is one of the candidates."""
        return "ldc" in self.heads
