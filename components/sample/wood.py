"""Wood: year rings cut lengthwise, fibres, pores, and knots that the grain flows around."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator

from components.sample.noise import SIDE, Plane, coordinates, noise, smoothstep
from components.sample.patch import Colour, Patch, blend, colour, jitter
from components.sample.strokes import place

__all__ = ["wood_plank"]

WOODS = (  # early wood, late wood
    (colour(214, 178, 128), colour(168, 118, 70)),
    (colour(196, 154, 108), colour(140, 96, 58)),
    (colour(226, 200, 160), colour(190, 148, 100)),
    (colour(186, 128, 84), colour(140, 84, 52)),
)


@dataclass(frozen=True)
class _Knot:
    """A branch that was cut through.

    Attributes:
        distance: (side, side), pixels from its centre; its outline is not quite an ellipse.
        radius: in pixels.
        push: (side, side), how far it pushes the grain aside, in pixels.
    """

    distance: Plane
    radius: float
    push: Plane


def wood_plank(rng: Generator, *, knots: int = 0) -> Patch:
    """A planed plank; with `knots`, one up to that many."""
    direction = rng.normal(0, 0.2)
    early, late = WOODS[int(rng.integers(len(WOODS)))]
    early, late = jitter(early, rng, tint=0.04), jitter(late, rng, tint=0.04)
    along, across = _turned(direction)
    found = [_draw_knot(rng, along, across, direction) for _ in range(int(rng.integers(1, knots + 1)) if knots else 0)]
    field = across
    for knot in found:
        field = field - knot.push
    ring = _year_rings(rng, along, field, direction)
    fibres = noise(rng, finest=1.2, coarsest=30, slope=0.6, stretch=30, angle=direction)
    pores = smoothstep(1.4, 2.6, noise(rng, finest=1.4, coarsest=12, slope=0.0, stretch=9, angle=direction))
    share = rng.uniform(0.4, 1.0) * ring + 0.10 * fibres + rng.uniform(0, 0.5) * pores + 0.08
    varnished = rng.random() < 0.4
    patch = Patch(
        albedo=np.clip(blend(early, late, np.clip(share, -0.3, 1.4)), 0.004, 1),
        height=np.float32(0.12) * fibres - np.float32(0.3) * pores,
        gloss=np.full((SIDE, SIDE), rng.uniform(0.08, 0.25) if varnished else 0.02, dtype=np.float32),
        polish=rng.uniform(10, 50),
        direction=direction,
    )
    for knot in found:
        patch = _with_knot(patch, rng, knot, late)
    return patch


def _turned(direction: float) -> tuple[Plane, Plane]:
    # pixels along the grain and across it, from the patch's centre
    x, y = coordinates()
    cos, sin = np.float32(math.cos(direction)), np.float32(math.sin(direction))
    return x * cos + y * sin, y * cos - x * sin


def _year_rings(rng: Generator, along: Plane, across: Plane, direction: float) -> Plane:
    # 0 in early wood, rising to 1 in late wood, then a sharp fall where the next year begins
    apart = rng.uniform(7, 24)
    bend = rng.normal(0, 0.0005) * along**2
    waves = noise(rng, finest=25, slope=3.0, stretch=rng.uniform(5, 12), angle=direction)
    seasons = noise(rng, finest=8, coarsest=90, slope=1.0, stretch=200, angle=direction)
    year = (across + bend) / np.float32(apart) + np.float32(rng.uniform(0.3, 1.1)) * waves + 0.2 * seasons
    phase = year - np.floor(year)
    return np.asarray(phase**2 * (1 - smoothstep(0.88, 1.0, phase)), dtype=np.float32)


def _draw_knot(rng: Generator, along: Plane, across: Plane, direction: float) -> _Knot:
    x, y = place(rng, spread=0.22) - SIDE / 2
    radius = float(rng.uniform(10, 34))
    from_along = along - np.float32(x * math.cos(direction) + y * math.sin(direction))
    from_across = across - np.float32(y * math.cos(direction) - x * math.sin(direction))
    squared = (from_along / np.float32(rng.uniform(1.0, 1.5))) ** 2 + from_across**2
    wobble = 1 + 0.12 * noise(rng, finest=20, slope=2.5)
    # the streamlines of a flow around a cylinder
    push = from_across * np.minimum(1, np.float32(radius**2) / np.maximum(squared, 1))
    return _Knot(np.sqrt(squared) * wobble, radius, push)


def _with_knot(patch: Patch, rng: Generator, knot: _Knot, late: Colour) -> Patch:
    outside = knot.distance - np.float32(knot.radius)
    heart = smoothstep(knot.radius * 1.04, knot.radius * 0.94, knot.distance)
    rings = 0.5 + 0.5 * np.cos(knot.distance * np.float32(2 * math.pi / rng.uniform(3.5, 6)))
    speckle = noise(rng, finest=1.5, coarsest=20, slope=1)
    dark, red = late * np.float32(rng.uniform(0.25, 0.5)), late * jitter(colour(235, 190, 160), rng)
    inner = blend(red, dark, np.clip(0.55 * rings + 0.12 * speckle + 0.15, 0, 1))
    bark = np.exp(-((outside / np.float32(rng.uniform(1.5, 3.5))) ** 2))
    halo = np.exp(-np.maximum(outside, 0) / np.float32(knot.radius * 0.35)) * (1 - heart)
    albedo = blend(patch.albedo, inner, heart)
    albedo = albedo * (1 - rng.uniform(0.4, 0.8) * bark)[..., None] * (1 - 0.35 * halo)[..., None]
    return replace(patch, albedo=albedo, height=patch.height - 0.5 * bark)
