"""The section `gate` of `params.yaml`."""

from typing import Annotated

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from components.liteembed.most_drop import MostDrop

__all__ = ["GateSettings", "TrackingSettings"]

Share = Annotated[float, Field(ge=0.0, le=1.0)]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class GateSettings:
    """What an arrival may cost and must achieve, and what a new bundle may cost.

    Attributes:
        most_drop_one: share of the known classes' photos that one more class may take, mean over classes; an added
            class's offset plans with a part of it.
        most_drop_many: the same if as many classes arrive as are known; in between it grows linearly.
        least_recall: share of a new class's left-out photos that must be answered rightly, if it has several.
        most_taken: share of a new class's left-out photos that one known class may claim.
        most_drop_bundle: share of the photos of all classes that a consolidated bundle may lose, beyond the standard
            error of the comparison.
        most_drop_class: the same for the photos of one class.
    """

    most_drop_one: Share = MostDrop.one
    most_drop_many: Share = MostDrop.many
    least_recall: Share = 0.25
    most_taken: Share = 0.8
    most_drop_bundle: Share = 0.02
    most_drop_class: Share = 0.5

    @property
    def most_drop(self) -> MostDrop:
        """What an arrival may cost the known classes."""
        return MostDrop(self.most_drop_one, self.most_drop_many)


@dataclass(frozen=True, config=ConfigDict(strict=True))
class TrackingSettings:
    """The section `tracking` of `params.yaml`.

    Attributes:
        arrivals: DVC tracks ledger and photos after each change of the classes, in the background; if false, at the
            next training.
    """

    arrivals: bool = True
