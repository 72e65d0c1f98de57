"""Defects that are lines: each function takes a sound patch and hands back a damaged one.

Sizes are in pixels of the patch. `severity` runs from 0 (hard to see) to 1 (plain); it is drawn for each photo.
"""

import math
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from components.sample.noise import SIDE, Plane, cells, noise, smoothstep
from components.sample.patch import Patch, colour, jitter, paint, pick
from components.sample.strokes import Stroke, crack, place, shift, soften, stroke_mask, walk

__all__ = ["cracks", "crazing", "loose_thread", "paint_runs", "scratches", "split"]

THREADS = (colour(232, 228, 218), colour(214, 204, 186), colour(226, 230, 236))
DEPTHS = (colour(36, 32, 28), colour(30, 30, 32), colour(64, 52, 42))


def scratches(patch: Patch, rng: Generator) -> Patch:
    """Long, nearly straight grooves; their bottoms shine, or are dark, by the light."""
    severity = rng.uniform(0.6, 1)
    heading = patch.direction + rng.choice([-1, 1]) * rng.uniform(0.5, math.pi / 2)
    strokes = []
    for _ in range(int(rng.integers(4, 14))):
        turn = rng.normal(0, 0.3)
        length = rng.uniform(0.35, 1.0) * SIDE
        start = place(rng) - length / 2 * np.array([math.cos(heading + turn), math.sin(heading + turn)])
        points = walk(rng, start, heading + turn, length, wander=rng.uniform(0.01, 0.12), memory=0.97)
        ends = np.sin(np.linspace(0.15, math.pi - 0.1, len(points))) ** 0.6
        strokes.append(Stroke(points, rng.uniform(1.3, 1.8 + 2.2 * severity) * ends))
    pressure = smoothstep(-1.8, 0.4, noise(rng, finest=12, slope=1.5))
    groove = stroke_mask(strokes) * pressure
    bright = rng.uniform(0.7, 1.5) * severity if rng.random() < 0.85 else -rng.uniform(0.2, 0.5) * severity
    albedo = patch.albedo * (1 + np.float32(bright) * groove)[..., None]
    burr = soften(groove, 1.2)
    scratched = replace(patch, albedo=np.clip(albedo, 0.003, 1))
    return scratched.with_relief(np.float32(2.2 * severity) * (soften(groove, 2.2) * 0.8 - burr))


def cracks(patch: Patch, rng: Generator) -> Patch:
    """One or two jagged dark lines that branch and thin out."""
    severity = rng.uniform(0.3, 1)
    strokes: list[Stroke] = []
    for _ in range(1 if rng.random() < 0.7 else 2):
        heading = rng.uniform(0, 2 * math.pi)
        length = rng.uniform(0.6, 1.1) * SIDE
        start = place(rng) - length / 2 * np.array([math.cos(heading), math.sin(heading)])
        strokes += crack(
            rng,
            start,
            heading,
            length,
            width=rng.uniform(2.6, 3.6 + 3.0 * severity),
            wander=rng.uniform(0.35, 0.7),
            branching=rng.uniform(0.02, 0.07),
        )
    gap = stroke_mask(strokes)
    darkness = rng.uniform(0.72, 0.79) + 0.2 * severity
    cracked = paint(patch, np.float32(darkness) * gap, colour(28, 26, 24), gloss=0.0)
    return cracked.with_relief(np.float32(-1.2 * severity) * soften(gap, 1.5))


def crazing(patch: Patch, rng: Generator) -> Patch:
    """A net of cracks that parts the coat into scales, deeper in some places than in others."""
    border, owner = cells(rng, rng.uniform(18, 50), warp=rng.uniform(0.8, 2.5))
    where = smoothstep(rng.uniform(-2.2, -0.6), 0.4, noise(rng, finest=60, slope=2.5))
    width = np.float32(rng.uniform(0.8, 2.4)) * (0.35 + 0.9 * where)
    gap = np.clip(1.4 - border / np.maximum(width, 0.05), 0, 1) * np.clip(where * 2, 0, 1)
    scale_tone = 1 + np.float32(0.05) * rng.standard_normal(owner.max() + 1, dtype=np.float32).take(owner) * where
    cracked = paint(patch, np.float32(rng.uniform(0.5, 0.9)) * gap, pick(DEPTHS, rng), gloss=0.0)
    curl = np.exp(-border / np.float32(rng.uniform(2, 5))) * where
    albedo = np.clip(cracked.albedo * scale_tone[..., None], 0.003, 1)
    return replace(cracked, albedo=albedo).with_relief(np.float32(rng.uniform(0.3, 1.8)) * curl - 2.0 * gap)


def split(patch: Patch, rng: Generator) -> Patch:
    """A gap that opens along the grain, wide in its middle, with a splintered edge."""
    strokes: list[Stroke] = []
    for _ in range(int(rng.integers(2, 5))):
        length = rng.uniform(0.3, 1.1) * SIDE
        heading = patch.direction + rng.normal(0, 0.04)
        start = place(rng, spread=0.22) - length / 2 * np.array([math.cos(heading), math.sin(heading)])
        points = walk(rng, start, heading, length, wander=rng.uniform(0.03, 0.10), memory=0.8)
        opening = np.sin(np.linspace(0, math.pi, len(points))) ** rng.uniform(0.5, 1.5)
        ragged = np.clip(rng.normal(1, 0.16, len(points)), 0.5, 1.5)
        strokes.append(Stroke(points, 0.7 + rng.uniform(4, 12) * opening * ragged))
    gap = stroke_mask(strokes)
    dark = jitter(colour(40, 28, 20), rng, brightness=0.4)
    opened = paint(patch, np.float32(rng.uniform(0.75, 0.97)) * gap, dark, gloss=0.0)
    return opened.with_relief(-2.0 * soften(gap, 1.6))


def loose_thread(patch: Patch, rng: Generator) -> Patch:
    """A few threads that came out and lie in loops on the cloth, with their shadows."""
    strokes = []
    for _ in range(int(rng.integers(2, 5))):
        length = rng.uniform(0.4, 1.2) * SIDE
        points = walk(rng, place(rng), rng.uniform(0, 2 * math.pi), length, wander=rng.uniform(0.5, 1.6), memory=0.985)
        strokes.append(Stroke(points, np.full(len(points), rng.uniform(2.6, 5.2))))
    thread = stroke_mask(strokes)
    fibre = jitter(pick(THREADS, rng), rng, brightness=0.2)
    side = rng.integers(-3, 4, 2)
    shadow = soften(shift(thread, int(side[0]), int(side[1])), 1.8)
    shaded = replace(patch, albedo=patch.albedo * (1 - np.float32(rng.uniform(0.25, 0.6)) * shadow)[..., None])
    twist = 1 + 0.2 * noise(rng, finest=1.5, coarsest=10, slope=0.5)
    covered = paint(shaded, thread, np.clip(fibre * twist[..., None], 0.003, 1))
    flat = covered.height * (1 - thread)
    return replace(covered, height=flat).with_relief(2.0 * soften(thread, 0.8))


def paint_runs(patch: Patch, rng: Generator) -> Patch:
    """Paint that ran down before it dried: ridges that end in a drop."""
    strokes: list[Stroke] = []
    middle = place(rng, spread=0.12)
    for _ in range(int(rng.integers(2, 7))):
        length = rng.uniform(0.15, 0.65) * SIDE
        start = middle + np.array([rng.normal(0, 0.16), rng.uniform(-0.35, 0.05)]) * SIDE
        points = walk(rng, start, patch.direction, length, wander=0.05, memory=0.95)
        way = np.linspace(0, 1, len(points))
        width = rng.uniform(7, 18)
        to_end = (1 - way) * length / width
        drop = np.exp(-((to_end - 0.6) ** 2) / 0.8)
        round_end = np.sqrt(np.clip(to_end * 2 - to_end**2, 0, 1) + (to_end > 1))
        strokes.append(Stroke(points, width * (0.35 + 0.4 * np.sqrt(way) + rng.uniform(0.3, 0.7) * drop) * round_end))
    mask = stroke_mask(strokes)
    ridge = _rounded(mask)
    thicker = replace(patch, albedo=patch.albedo * (1 - np.float32(rng.uniform(0, 0.2)) * ridge)[..., None])
    glossier = np.clip(thicker.gloss + 0.1 * ridge, 0, 1)
    calm = replace(thicker, gloss=glossier, height=thicker.height * (1 - 0.7 * mask))
    return calm.with_relief(np.float32(rng.uniform(2.5, 7.0)) * ridge)


def _rounded(mask: Plane) -> Plane:
    # a mask's round back: what is far from the edge is high
    back = np.sqrt(np.clip(soften(mask, 3.0) * 2 - 0.7, 0, 1) * mask + 1e-4)
    return np.asarray(back * soften(mask, 1.0), dtype=np.float32)
