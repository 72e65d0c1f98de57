"""A patch of material as physics sees it: colour, relief and shine, before any light or camera."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from components.sample.noise import Plane

__all__ = ["Colour", "Defect", "Patch", "Surface", "blend", "colour", "jitter", "paint", "pick"]

Colour = NDArray[np.float32]
"""Red, green and blue reflectance from 0 to 1, linear in light."""


@dataclass(frozen=True)
class Patch:
    """A flat piece of material.

    Attributes:
        albedo: (side, side, 3), reflectance from 0 to 1, linear in light.
        height: (side, side), relief in pixels, up is positive.
        gloss: (side, side), strength of the mirror-like reflection from 0 to 1.
        polish: how narrow highlights are; 5 is satin, 100 is glass.
        direction: angle in radians that brushing, wood grain or threads run along.
    """

    albedo: Colour
    height: Plane
    gloss: Plane
    polish: float
    direction: float = 0.0

    def with_relief(self, change: Plane) -> "Patch":
        """The same patch with `change` pixels added to its height."""
        return replace(self, height=self.height + change)


Surface = Callable[[Generator], Patch]
Defect = Callable[[Patch, Generator], Patch]


def colour(red: int, green: int, blue: int) -> Colour:
    """A screen colour (0 to 255 each) as linear reflectance."""
    return np.square(np.array([red, green, blue]) / 255).astype(np.float32)


def jitter(base: Colour, rng: Generator, *, brightness: float = 0.15, tint: float = 0.06) -> Colour:
    """A colour near `base`: another brightness, and each channel moved by about `tint`, both as fractions."""
    factors = rng.normal(1, tint, 3) * np.exp(rng.normal(0, brightness))
    return np.asarray(np.clip(base * factors, 0.004, 0.95), dtype=np.float32)


def pick(colours: Sequence[Colour], rng: Generator) -> Colour:
    """One of the colours."""
    return colours[int(rng.integers(len(colours)))]


def blend(low: Colour, high: Colour, share: Plane) -> Colour:
    """Mix two colours (or planes of colours) pixel by pixel; `share` 0 is `low`, 1 is `high`."""
    weight = share[..., None]
    return low + (high - low) * weight


def paint(patch: Patch, mask: Plane, albedo: Colour, *, gloss: float | None = None) -> Patch:
    """Cover the patch with another colour, and another gloss if given, where `mask` (0 to 1) says so."""
    covered = blend(patch.albedo, albedo, mask)
    if gloss is None:
        return replace(patch, albedo=covered)
    return replace(patch, albedo=covered, gloss=patch.gloss + (np.float32(gloss) - patch.gloss) * mask)
