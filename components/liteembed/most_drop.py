"""What added classes may cost the known ones: the gate enforces it, and an added class's offset respects it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["MostDrop"]

# The offset is planned below the gate's limit: its evidence from few photos misses the true cost.
# Figures: docs/experiments/liteembed.md, "The offset".
_PLANNED_ONE = 0.75
_PLANNED_MANY = 0.5


@dataclass(frozen=True)
class MostDrop:
    """The share of the known classes' photos, mean over classes, that an arrival may cost.

    Attributes:
        one: if one class arrives, 0 to 1.
        many: if as many classes arrive as are known, 0 to 1; in between it grows linearly.
    """

    one: float = 0.02
    many: float = 0.06

    def allowed(self, n_new: int, n_known: int) -> float:
        """The allowance for `n_new` classes beside `n_known`."""
        share = min(1.0, (n_new - 1) / max(1, n_known - 1))
        return self.one + share * (self.many - self.one)

    def planned(self) -> MostDrop:
        """What an added class's offset may cost by the evidence at hand: a fixed part of what the gate allows."""
        return MostDrop(_PLANNED_ONE * self.one, _PLANNED_MANY * self.many)
