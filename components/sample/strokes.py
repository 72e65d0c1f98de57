"""Lines and outlines: random walks, cracks that branch, blobs, and how they become masks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from components.sample.noise import SIDE, Plane

__all__ = ["Points", "Stroke", "blob", "crack", "fill", "place", "shift", "soften", "spread", "stroke_mask", "walk"]

OVERSAMPLING = 3
STEP = 3.0

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Stroke:
    """A line of changing width.

    Attributes:
        points: (n, 2), x and y in pixels from the patch's upper left corner.
        widths: (n,), in pixels.
    """

    points: Points
    widths: NDArray[np.float64]


def place(rng: Generator, *, spread: float = 0.2) -> Points:
    """A point (2,) around the patch's middle, where the camera looks; `spread` is a fraction of the side."""
    return SIDE * np.clip(rng.normal(0.5, spread * 0.7, 2), 0.5 - spread, 0.5 + spread)


def spread(rng: Generator, count: int, centre: Points, radius: float) -> Points:
    """Points (count, 2) scattered around `centre` with deviation `radius` pixels."""
    return centre + rng.normal(0, radius, (count, 2))


def walk(rng: Generator, start: Points, heading: float, length: float, *, wander: float, memory: float = 0.8) -> Points:
    """A path (n, 2) of `length` pixels that leaves `start` towards `heading` (radians).

    Its direction swings by about `wander` radians around the heading; `memory` from 0 (jagged) to 1 (smooth).
    """
    count = max(2, round(length / STEP))
    kicks = rng.normal(0, wander * math.sqrt(1 - memory**2), count)
    swing = np.empty(count)
    value = rng.normal(0, wander)
    for i, kick in enumerate(kicks):
        value = memory * value + kick
        swing[i] = value
    steps = STEP * np.stack([np.cos(heading + swing), np.sin(heading + swing)], axis=1)
    return np.vstack([start, start + np.cumsum(steps, axis=0)])


def crack(
    rng: Generator,
    start: Points,
    heading: float,
    length: float,
    *,
    width: float,
    wander: float = 0.5,
    branching: float = 0.08,
    depth: int = 2,
) -> list[Stroke]:
    """A jagged line that thins out, and its branches, each `branching` likely at every step."""
    points = walk(rng, start, heading, length, wander=wander, memory=0.55)
    taper = 1 - np.linspace(0, 1, len(points)) ** 2
    widths = width * (0.25 + 0.75 * taper) * rng.uniform(0.6, 1.4, len(points))
    strokes = [Stroke(points, widths)]
    if depth:
        for i in np.flatnonzero(rng.random(len(points)) < branching):
            side = rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
            strokes += crack(
                rng,
                points[i],
                heading + side,
                length * rng.uniform(0.15, 0.5),
                width=widths[i] * rng.uniform(0.4, 0.8),
                wander=wander,
                branching=branching,
                depth=depth - 1,
            )
    return strokes


def blob(rng: Generator, centre: Points, radius: float, *, roughness: float = 0.2, stretch: float = 1.0) -> Points:
    """An irregular closed outline (n, 2) around `centre`; `roughness` 0 is an ellipse, 0.5 is ragged."""
    count = int(np.clip(radius * 3, 16, 96))
    angle = np.linspace(0, 2 * math.pi, count, endpoint=False)
    outline = np.ones(count)
    for order in range(2, min(count // 3, 14)):
        outline += roughness * rng.normal() / order**0.8 * np.cos(order * angle + rng.uniform(0, 2 * math.pi))
    outline = radius * np.clip(outline, 0.25, 2.2)
    long, short = outline * np.cos(angle) * math.sqrt(stretch), outline * np.sin(angle) / math.sqrt(stretch)
    turn = rng.uniform(0, math.pi)
    x = long * math.cos(turn) - short * math.sin(turn)
    y = long * math.sin(turn) + short * math.cos(turn)
    return np.asarray(centre + np.stack([x, y], axis=1))


def fill(outlines: Iterable[Points]) -> Plane:
    """Coverage from 0 to 1 of the outlines' insides, (side, side), with smooth edges."""
    size = SIDE * OVERSAMPLING
    canvas = Image.new("L", (size, size))
    draw = ImageDraw.Draw(canvas)
    for outline in outlines:
        draw.polygon([tuple(point) for point in (outline * OVERSAMPLING).tolist()], fill=255)
    return np.asarray(canvas.reduce(OVERSAMPLING), dtype=np.float32) / np.float32(255)


def stroke_mask(strokes: Sequence[Stroke]) -> Plane:
    """Coverage from 0 to 1 of the strokes, (side, side), with smooth edges."""
    return fill(_outline(stroke) for stroke in strokes)


def soften(mask: Plane, radius: float) -> Plane:
    """The mask blurred by `radius` pixels."""
    return np.asarray(gaussian_filter(mask, radius, truncate=2.5), dtype=np.float32)


def shift(mask: Plane, dx: int, dy: int) -> Plane:
    """The mask moved by whole pixels; what leaves on one side comes in on the other."""
    return np.roll(mask, (dy, dx), axis=(0, 1))


def _outline(stroke: Stroke) -> Points:
    tangent = np.gradient(stroke.points, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) * stroke.widths[:, None] / 2
    return np.vstack([stroke.points + normal, (stroke.points - normal)[::-1]])
