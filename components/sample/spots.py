"""Defects that cover an area: each function takes a sound patch and hands back a damaged one.

Sizes are in pixels of the patch. `severity` runs from 0 (hard to see) to 1 (plain); it is drawn for each photo.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from components.sample.noise import SIDE, Plane, coordinates, grain, noise, smoothstep
from components.sample.patch import Colour, Patch, blend, colour, jitter, paint, pick
from components.sample.strokes import Points, Stroke, blob, fill, place, soften, spread, stroke_mask, walk

__all__ = ["blisters", "chips", "dents", "oil_spots", "pits", "rust", "stains", "tear", "worm_holes"]

STAINS = (colour(110, 62, 24), colour(88, 54, 28), colour(136, 84, 34))
OILS = (colour(104, 84, 58), colour(80, 66, 52), colour(124, 92, 54))
RUSTS = (colour(62, 36, 28), colour(134, 70, 36), colour(196, 120, 58))
UNDER_PAINT = (colour(160, 160, 162), colour(182, 176, 166), colour(204, 200, 194))
BODIES = (colour(206, 190, 168), colour(176, 120, 92), colour(222, 218, 210), colour(150, 140, 130))
BEHIND = (colour(24, 22, 22), colour(46, 42, 42), colour(58, 48, 40))


def pits(patch: Patch, rng: Generator) -> Patch:
    """Many small holes eaten into metal, in clusters, of very different sizes."""
    severity = rng.uniform(0.3, 1)
    outlines = []
    for _ in range(int(rng.integers(1, 4))):
        middle, radius = place(rng), rng.uniform(0.06, 0.3) * SIDE
        for centre in spread(rng, int(rng.integers(18, 70)), middle, radius):
            size = min(12.0, 1.6 * (1 + rng.pareto(2.2)) * (0.7 + 0.8 * severity))
            outlines.append(blob(rng, centre, size, roughness=0.25, stretch=rng.uniform(1, 1.6)))
    hole = fill(outlines)
    dark = jitter(colour(58, 52, 48), rng, brightness=0.4)
    pitted = paint(patch, np.float32(rng.uniform(0.45, 0.6) + 0.35 * severity) * hole, dark, gloss=0.02)
    return pitted.with_relief(np.float32(-2.5) * soften(hole, 1.3))


def dents(patch: Patch, rng: Generator) -> Patch:
    """Hollows from a blow; only light and reflection show them."""
    x, y = coordinates()
    hollow = np.zeros_like(x)
    for _ in range(int(rng.integers(1, 5))):
        centre = place(rng, spread=0.24) - SIDE / 2
        radius = rng.uniform(24, 56)
        turn, stretch = rng.uniform(0, math.pi), rng.uniform(1, 2.2)
        dx, dy = x - np.float32(centre[0]), y - np.float32(centre[1])
        along = (dx * np.float32(math.cos(turn)) + dy * np.float32(math.sin(turn))) / np.float32(stretch)
        across = dy * np.float32(math.cos(turn)) - dx * np.float32(math.sin(turn))
        squared = (along * along + across * across) / np.float32(radius**2)
        # a steep wall and a flat floor, with a raised rim
        wall = 1 / (1 + squared ** np.float32(rng.uniform(1.4, 3)))
        hollow += np.float32(radius * rng.uniform(0.45, 0.85)) * (wall - 0.15 * np.exp(-((squared - 2.2) ** 2)))
    return replace(patch, gloss=np.clip(patch.gloss * 1.5 + np.float32(0.2), 0, 1)).with_relief(-hollow)


def stains(patch: Patch, rng: Generator) -> Patch:
    """Dried liquid: a tinge with a darker rim, like a coffee ring, and splashes around it."""
    severity = rng.uniform(0.3, 1)
    field = _spilt(rng, count=int(rng.integers(3, 9)), size=(22, 72))
    inside = smoothstep(-0.02, 0.06, field)
    rim = np.exp(-((field / np.float32(rng.uniform(0.05, 0.12))) ** 2))
    tide = np.exp(-(((field - np.float32(rng.uniform(0.15, 0.4))) / 0.05) ** 2)) * rng.uniform(0, 0.5)
    tint = jitter(pick(STAINS, rng), rng, brightness=0.2)
    cover = rng.uniform(0.5, 0.75) + 0.3 * severity * rng.random()
    share = np.clip(cover * inside + (0.25 + 0.45 * severity) * (rim * inside + tide), 0, 0.9)
    stained = paint(patch, share, _multiplied(patch.albedo, tint))
    return replace(stained, gloss=stained.gloss * (1 - np.float32(rng.uniform(0, 0.6)) * inside))


def oil_spots(patch: Patch, rng: Generator) -> Patch:
    """Something that soaked into the cloth: darker, soft at its edge, the weave still there."""
    field = _spilt(rng, count=int(rng.integers(1, 5)), size=(32, 85))
    softness = rng.uniform(0.06, 0.35)
    inside = smoothstep(-softness / 2, softness, field)
    rim = np.exp(-(((field - 0.03) / np.float32(0.08)) ** 2)) * rng.uniform(0, 0.35)
    share = np.clip(rng.uniform(0.7, 1.0) * inside + rim, 0, 0.95)
    return paint(patch, share, _multiplied(patch.albedo, jitter(pick(OILS, rng), rng)))


def rust(patch: Patch, rng: Generator) -> Patch:
    """Corrosion: from a brown bloom to orange crusts, spreading in patches and specks."""
    spreading = noise(rng, finest=3, slope=2.2) + 0.5 * noise(rng, finest=40, slope=3)
    x, y = coordinates()
    middle = place(rng) - SIDE / 2
    away = np.hypot(x - np.float32(middle[0]), y - np.float32(middle[1])) / np.float32(SIDE * rng.uniform(0.25, 0.7))
    field = spreading - 1.6 * away + np.float32(rng.uniform(0.5, 1.8))
    edge = rng.uniform(0.2, 2.2)
    cover = smoothstep(0, edge, field)
    crust = noise(rng, finest=1.6, coarsest=60, slope=1.3)
    dark, middle_tone, light = (jitter(tone, rng, brightness=0.2) for tone in RUSTS)
    share = np.clip(rng.uniform(0.3, 0.65) + 0.24 * crust, 0, 1)
    tone = blend(blend(dark, middle_tone, smoothstep(0, 0.55, share)), light, smoothstep(0.5, 1.1, share))
    halo = smoothstep(-1.2, 0.4, field) * np.float32(rng.uniform(0.1, 0.7))
    patch = paint(patch, halo, _multiplied(patch.albedo, middle_tone * 1.8))
    rusty = paint(patch, np.float32(rng.uniform(0.6, 0.97)) * cover, tone, gloss=0.01)
    return rusty.with_relief(np.float32(rng.uniform(0.3, 0.9)) * cover * crust)


def chips(patch: Patch, rng: Generator, *, bodies: Sequence[Colour], largest: float = 40) -> Patch:
    """Places where the coat broke off and the body shows, with a step at the edge.

    Args:
        patch: the sound patch.
        rng: the source of chance.
        bodies: colours that may lie under the coat.
        largest: radius of the largest chip in pixels.
    """
    outlines = []
    middle = place(rng)
    for centre in spread(rng, int(rng.integers(3, 10)), middle, rng.uniform(0.08, 0.24) * SIDE):
        size = rng.uniform(12, largest) * rng.uniform(0.4, 1)
        outlines.append(blob(rng, centre, size, roughness=rng.uniform(0.2, 0.45), stretch=rng.uniform(1, 2.4)))
    rough = noise(rng, finest=1.6, coarsest=40, slope=1.2)
    mask = _ragged(fill(outlines), rough)
    body = jitter(pick(bodies, rng), rng, brightness=0.25)
    under = np.clip(body * (1 + np.float32(rng.uniform(0.03, 0.14)) * rough)[..., None], 0.003, 1)
    bare = paint(patch, mask, under, gloss=0.03)
    if rng.random() < 0.5:  # a second layer below the first
        core = _ragged(soften(mask, rng.uniform(2, 5)) * 1.25 - 0.4, rough)
        bare = paint(bare, core, jitter(pick(bodies, rng), rng, brightness=0.4))
    lip = np.clip(soften(mask, 1.2) - mask, 0, 1)
    lightened = replace(
        bare, albedo=np.clip(bare.albedo * (1 + np.float32(rng.uniform(0, 1.2)) * lip)[..., None], 0, 1)
    )
    sunk = np.float32(-rng.uniform(1.0, 3.0)) * soften(mask, 0.9) + 0.3 * rough * mask
    return replace(lightened, height=patch.height * (1 - mask)).with_relief(sunk)


def blisters(patch: Patch, rng: Generator) -> Patch:
    """Bubbles under the coat: round domes, alone, in swarms or grown together."""
    count = int(rng.integers(8, 45))
    largest = rng.uniform(13, 32)
    centres = spread(rng, count, place(rng), rng.uniform(0.08, 0.22) * SIDE)
    radii = np.clip(largest * rng.beta(1.2, 2.5, count), 2.5, None)
    dome = _domes(centres, radii)
    height = np.float32(rng.uniform(0.6, 1.2)) * dome
    if rng.random() < 0.15:  # some burst
        burst = fill(blob(rng, c, r * 0.5, roughness=0.4) for c, r in zip(centres, radii, strict=True) if r > 6)
        patch = paint(patch, burst * (rng.random() < 0.7), jitter(pick(UNDER_PAINT, rng), rng), gloss=0.02)
        height = height * (1 - 0.6 * soften(burst, 0.8))
    return patch.with_relief(soften(height, 0.8))


def worm_holes(patch: Patch, rng: Generator) -> Patch:
    """The round exits of woodworm, some with pale dust around."""
    size = rng.uniform(2.8, 6.0)
    outlines = []
    for centre in spread(rng, int(rng.integers(8, 40)), place(rng), rng.uniform(0.1, 0.3) * SIDE):
        outlines.append(blob(rng, centre, size * rng.uniform(0.6, 1.3), roughness=0.06, stretch=rng.uniform(1, 1.4)))
    hole = fill(outlines)
    dust = np.clip(soften(hole, 2.6) * 1.6 - hole, 0, 1) * np.float32(rng.uniform(0, 0.7))
    dusty = paint(patch, dust, jitter(colour(222, 196, 156), rng))
    dark = jitter(colour(34, 24, 18), rng, brightness=0.4)
    bored = paint(dusty, np.float32(rng.uniform(0.8, 0.98)) * hole, dark, gloss=0.0)
    return bored.with_relief(-2.5 * soften(hole, 0.9))


def tear(patch: Patch, rng: Generator) -> Patch:
    """A hole in the cloth: something else shows behind it, and threads fray into it."""
    centre = place(rng, spread=0.2)
    size, stretch = rng.uniform(24, 58), rng.uniform(1, 3)
    outlines = [blob(rng, centre, size, roughness=rng.uniform(0.12, 0.28), stretch=stretch)]
    if rng.random() < 0.3:
        outlines.append(blob(rng, place(rng), size * rng.uniform(0.3, 0.7), roughness=0.35))
    hole = fill(outlines)
    rim = outlines[0]
    hole = _ragged(hole, noise(rng, finest=2.5, coarsest=25, slope=0.5))
    frays = _frays(rng, rim, patch.direction, size)
    own = np.median(patch.albedo.reshape(-1, 3)[::97], axis=0).astype(np.float32)
    behind = jitter(pick(BEHIND, rng), rng, brightness=0.3) * (1 + 0.05 * grain(rng))[..., None]
    inner_shadow = 1 - 0.8 * np.clip(1.6 * soften(1 - hole, 6.0), 0, 1)
    torn = paint(patch, hole, np.clip(behind * inner_shadow[..., None], 0.002, 1))
    worn = np.clip(soften(hole, 6.0) * 1.5, 0, 1) * (1 - hole)
    torn = paint(torn, np.float32(rng.uniform(0, 0.45)) * worn, np.clip(own * 2.0, 0, 0.9))
    torn = replace(torn, height=torn.height * (1 - hole)).with_relief(-2.5 * soften(hole, 1.2))
    fibre = jitter(np.clip(own * rng.uniform(0.9, 2.0), 0, 0.9), rng)
    return paint(torn, frays * np.float32(rng.uniform(0.7, 1.0)), fibre).with_relief(1.0 * frays)


def _frays(rng: Generator, rim: Points, direction: float, size: float) -> Plane:
    strokes = []
    dense = np.repeat(rim, 3, axis=0) + rng.normal(0, 1.5, (len(rim) * 3, 2))
    for point in dense[rng.random(len(dense)) < rng.uniform(0.2, 0.8)]:
        heading = direction + rng.choice([0, 0.5, 1, 1.5]) * math.pi + rng.normal(0, 0.3)
        length = rng.uniform(0.15, 0.8) * min(size, 26)
        points = walk(rng, point, heading, length, wander=0.5, memory=0.9)
        strokes.append(Stroke(points, np.full(len(points), rng.uniform(0.7, 1.5))))
    return stroke_mask(strokes)


def _spilt(rng: Generator, *, count: int, size: tuple[float, float]) -> Plane:
    # positive inside the spots, 0 on their rims, about -1 far away
    x, y = coordinates()
    ragged = noise(rng, finest=10, slope=2.6) * np.float32(rng.uniform(0.06, 0.22))
    field = np.full(x.shape, -1, dtype=np.float32)
    centre = place(rng, spread=0.15)
    for point in spread(rng, count, centre, rng.uniform(0.06, 0.18) * SIDE):
        radius = rng.uniform(*size)
        stretch = rng.uniform(0.6, 1.6)
        dx, dy = x - np.float32(point[0] - SIDE / 2), y - np.float32(point[1] - SIDE / 2)
        away = np.sqrt(dx * dx * np.float32(stretch) + dy * dy / np.float32(stretch)) / np.float32(radius)
        field = np.maximum(field, 1 - away + ragged)
    return field


def _ragged(mask: Plane, rough: Plane) -> Plane:
    # the same area with the edge broken by noise
    return smoothstep(0.38, 0.62, soften(mask, 1.8) + 0.13 * rough)


def _multiplied(albedo: Colour, tint: Colour) -> Colour:
    return np.asarray(albedo * np.clip(tint * 1.6, 0, 1), dtype=np.float32)


def _domes(centres: Points, radii: NDArray[np.float64]) -> Plane:
    height = np.zeros((SIDE, SIDE), dtype=np.float32)
    for (x, y), radius in zip(centres, radii, strict=True):
        left, right = np.clip([math.floor(x - radius), math.ceil(x + radius) + 1], 0, SIDE)
        top, bottom = np.clip([math.floor(y - radius), math.ceil(y + radius) + 1], 0, SIDE)
        dx = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x)
        dy = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y)
        rest = np.maximum(1 - (dx * dx + dy * dy) / np.float32(radius**2), 0)
        window = height[top:bottom, left:right]
        np.maximum(window, rest * np.float32(radius * 0.55), out=window)
    return height
