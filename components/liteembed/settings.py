"""The section `liteembed` of `params.yaml`."""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

__all__ = ["EmbeddingSettings", "FormName", "LiteEmbedSettings", "StartName", "TokenSettings"]

FormName = Literal["embedding", "token", "name", "image_mean", "gda_row", "name_and_lda"]
StartName = Literal["name", "prototype"]

# Figures for each default: docs/experiments/liteembed.md.


@dataclass(frozen=True, config=ConfigDict(strict=True))
class EmbeddingSettings:
    """The form `embedding`.

    Attributes:
        starts: candidates among which left-out photos choose: `name`, or `prototype`, which is name and photos
            together, with weights learnt on known classes that play the new ones.
        stiffness: candidates among which left-out photos choose; higher moves less. The first is taken if there is one
            photo per class and it starts at the name; a prototype of one photo does not move.
        name_is_enough: nats per photo by which the prototype must beat the name as a start, on left-out photos, or with
            one photo per class on known classes that play new ones.
        coarse: times the stiffness along the first axes of the vocabulary ("what kind of thing"); if infinite, they
            stay at the name.
        fine: the same along the others.
        n_coarse: how many axes are coarse.
        offset: stiffness of a named class's offset about the known logits' level.
        balance: 0, a new class counts like a known one while its embedding is learnt; 1, new and known classes count
            the same in total. Higher finds more of the new photos and loses more of the known ones.
        steps: of Newton's method, at most; ten or so reach the optimum.
    """

    starts: Annotated[tuple[StartName, ...], Field(min_length=1)] = ("prototype", "name")
    stiffness: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)] = (0.02, 0.1, 0.5)
    name_is_enough: Annotated[float, Field(ge=0)] = 0.05
    coarse: Annotated[float, Field(gt=0)] = 1.0
    fine: Annotated[float, Field(gt=0)] = 1.0
    n_coarse: Annotated[int, Field(ge=0)] = 32
    offset: Annotated[float, Field(ge=0)] = 0.1
    balance: Annotated[float, Field(ge=0, le=1)] = 0.67
    steps: Annotated[int, Field(ge=1)] = 30


@dataclass(frozen=True, config=ConfigDict(strict=True))
class TokenSettings:
    """The form `token`; published: 5 coarse and 10 fine neighbours, 3 or 4 coarse axes, Adam 1e-4, 5,000 steps.

    Attributes:
        coarse_weight: weight of the pull to coarse neighbours; 0 leaves it out.
        fine_weight: weight of the push from fine neighbours; 0 leaves it out.
        coarse_neighbours: number of words for the same kind of thing.
        fine_neighbours: number of words that it may be confused with.
        n_coarse: how many axes of the vocabulary are coarse.
        learning_rate: of Adam.
        steps: of Adam.
    """

    coarse_weight: Annotated[float, Field(ge=0)] = 0.5
    fine_weight: Annotated[float, Field(ge=0)] = 0.5
    coarse_neighbours: Annotated[int, Field(ge=1)] = 5
    fine_neighbours: Annotated[int, Field(ge=1)] = 10
    n_coarse: Annotated[int, Field(ge=1)] = 4
    learning_rate: Annotated[float, Field(gt=0)] = 0.01
    steps: Annotated[int, Field(ge=1)] = 80


@dataclass(frozen=True, config=ConfigDict(strict=True))
class LiteEmbedSettings:
    """How classes are added.

    Attributes:
        forms: the competing forms; the first is preferred if there is no evidence or no clear difference.
        folds: the highest number of folds in which new photos are left out; never more than the class has photos.
        name_gate: a name whose z-score on its n photos is lower than `n / (n + 1)` times this means nothing there, and
            photos speak alone.
        vocabulary: `full` is built in the background and used once it is there; `starter` uses the names of things
            alone.
        embedding: settings of that form.
        token: settings of that form.
    """

    MOVED: ClassVar[Mapping[str, str]] = {
        "most_drop_one": "gate.most_drop_one",
        "most_drop_many": "gate.most_drop_many",
    }

    forms: tuple[FormName, ...] = ("embedding", "name", "image_mean", "gda_row", "name_and_lda")
    folds: Annotated[int, Field(ge=2)] = 4
    name_gate: float = 2.0
    vocabulary: Literal["starter", "full"] = "full"
    embedding: EmbeddingSettings = field(default_factory=EmbeddingSettings)
    token: TokenSettings = field(default_factory=TokenSettings)
