"""What every real surface has and what is no defect: dust, hairlines, smudges."""

import math
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from components.sample.noise import SIDE, Plane, noise, smoothstep
from components.sample.patch import Patch
from components.sample.strokes import Stroke, blob, fill, place, stroke_mask, walk

__all__ = ["used"]


def used(patch: Patch, rng: Generator) -> Patch:
    """The patch after some use: never enough to be called scratched, stained or pitted."""
    tone = np.ones((SIDE, SIDE), dtype=np.float32)
    if rng.random() < 0.5:
        tone -= np.float32(rng.uniform(0.03, 0.14)) * _smudge(rng)
    if rng.random() < 0.5:
        tone += np.float32(rng.choice([-1, 1]) * rng.uniform(0.05, 0.18)) * _hairlines(rng)
    if rng.random() < 0.5:
        tone += np.float32(rng.choice([-1, 1]) * rng.uniform(0.1, 0.4)) * _dust(rng)
    return replace(patch, albedo=np.clip(patch.albedo * tone[..., None], 0.003, 1))


def _smudge(rng: Generator) -> Plane:
    clouds = noise(rng, finest=15, slope=2.5, stretch=rng.uniform(1, 4), angle=rng.uniform(0, math.pi))
    return smoothstep(0.3, 1.6, clouds)


def _hairlines(rng: Generator) -> Plane:
    strokes = []
    for _ in range(int(rng.integers(1, 5))):
        length = rng.uniform(0.1, 0.5) * SIDE
        points = walk(rng, place(rng, spread=0.35), rng.uniform(0, 2 * math.pi), length, wander=0.1, memory=0.97)
        strokes.append(Stroke(points, np.full(len(points), rng.uniform(0.5, 1.1))))
    return stroke_mask(strokes)


def _dust(rng: Generator) -> Plane:
    centres = rng.uniform(0, SIDE, (int(rng.integers(3, 25)), 2))
    return fill(blob(rng, centre, rng.uniform(0.5, 1.6), stretch=rng.uniform(1, 3)) for centre in centres)
