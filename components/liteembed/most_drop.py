"""What added classes may cost the known ones: one allowance, which the gate enforces and an added class's offset keeps to."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MostDrop"]

# The offset plans for less than the gate allows: it is set on evidence from few photos, which misses the true cost.
# Figures: docs/experiments/liteembed.md, "The offset".
_PLANNED_ONE = 0.75
_PLANNED_MANY = 0.5


@dataclass(frozen=True)
class MostDrop:
    """The share of the known classes' photos, mean over classes, that an arrival may cost.

    Attributes:
        one: where one class arrives, 0 to 1.
        many: where as many classes arrive as are known, 0 to 1; in between it grows in step.
    """

    one: float = 0.02
    many: float = 0.06

    def allowed(self, n_new: int, n_known: int) -> float:
        """The allowance where `n_new` classes arrive beside `n_known`."""
        share = min(1.0, (n_new - 1) / max(1, n_known - 1))
        return self.one + share * (self.many - self.one)

    def planned(self) -> MostDrop:
        """What an added class's offset may cost by the evidence at hand: a fixed part of what the gate allows."""
        return MostDrop(_PLANNED_ONE * self.one, _PLANNED_MANY * self.many)
