"""Metal, paint, cloth, tile: each function draws one sound patch, never the same twice."""

import math
from dataclasses import replace

import numpy as np
from numpy.random import Generator

from components.sample.noise import SIDE, Plane, coordinates, grain, noise, smoothstep
from components.sample.patch import Colour, Patch, blend, colour, jitter, pick

__all__ = ["glazed_tile", "metal_sheet", "painted_panel", "woven_fabric"]

METALS = (colour(170, 172, 175), colour(158, 158, 158), colour(182, 181, 178), colour(148, 151, 155))
PAINTS = (
    colour(180, 48, 42),
    colour(38, 84, 150),
    colour(58, 118, 72),
    colour(222, 184, 58),
    colour(70, 140, 160),
)
FABRICS = (  # warp, weft
    (colour(82, 104, 148), colour(124, 140, 172)),
    (colour(182, 166, 138), colour(164, 150, 120)),
    (colour(122, 130, 100), colour(108, 116, 88)),
    (colour(140, 142, 148), colour(160, 160, 162)),
)
TILES = (
    colour(236, 234, 228),
    colour(226, 216, 196),
    colour(188, 204, 208),
    colour(206, 208, 206),
)


def metal_sheet(rng: Generator) -> Patch:
    """Bare steel or aluminium: brushed, or rolled with hardly a direction."""
    direction = rng.normal(0, 0.2)
    stretch = rng.uniform(25, 70) if rng.random() < 0.85 else rng.uniform(3, 8)
    streaks = noise(rng, finest=1.3, coarsest=40, slope=0.7, stretch=stretch, angle=direction)
    bands = noise(rng, finest=30, slope=2.0, stretch=min(stretch, 10), angle=direction)
    clouds = noise(rng, finest=12, slope=2.2)
    depth = rng.uniform(0.03, 0.10)
    tone = 1 + depth * streaks + rng.uniform(0.02, 0.10) * bands + rng.uniform(0.01, 0.06) * clouds
    base = jitter(pick(METALS, rng), rng, brightness=0.25, tint=0.012)
    gloss = np.clip(np.float32(rng.uniform(0.2, 0.9)) * (1 + 0.25 * streaks), 0, 1)
    return Patch(
        albedo=_tinted(base, tone),
        height=np.float32(rng.uniform(0.05, 0.2)) * streaks,
        gloss=gloss,
        polish=rng.uniform(4, 30),
        direction=direction,
    )


def painted_panel(rng: Generator) -> Patch:
    """A painted sheet or wall, from matt to lacquer, with orange peel or roller marks."""
    base = jitter(pick(PAINTS, rng), rng, brightness=0.2, tint=0.06)
    size = rng.uniform(5, 16)
    peel = noise(rng, finest=size / 2, coarsest=size * 2, slope=1.0)
    fade = noise(rng, finest=40, slope=2.5)
    tone = 1 + rng.uniform(0.01, 0.06) * fade + 0.015 * grain(rng)
    return Patch(
        albedo=_tinted(base, tone),
        height=np.float32(rng.uniform(0.02, 0.16)) * peel,
        gloss=np.full((SIDE, SIDE), rng.uniform(0.03, 0.35), dtype=np.float32),
        polish=rng.uniform(8, 70),
        direction=rng.normal(math.pi / 2, 0.08),
    )


def woven_fabric(rng: Generator) -> Patch:
    """Cloth in plain weave or twill: denim, linen, canvas, wool."""
    warp_colour, weft_colour = FABRICS[int(rng.integers(len(FABRICS)))]
    warp_colour, weft_colour = jitter(warp_colour, rng), jitter(weft_colour, rng)
    direction = rng.normal(0, 0.2)
    pitch = rng.uniform(4.0, 7.5)
    x, y = coordinates()
    pull = rng.uniform(0.8, 3.0)
    x = x + np.float32(pull) * noise(rng, finest=25, slope=3)
    y = y + np.float32(pull) * noise(rng, finest=25, slope=3)
    cos, sin = np.float32(math.cos(direction)), np.float32(math.sin(direction))
    u, v = (x * cos + y * sin) / np.float32(pitch), (y * cos - x * sin) / np.float32(pitch)
    left, top = np.floor(u), np.floor(v)
    across_warp = np.cos(np.float32(math.pi) * (u - left - np.float32(0.5)))
    across_weft = np.cos(np.float32(math.pi) * (v - top - np.float32(0.5)))
    column, row = left.astype(np.intp), top.astype(np.intp)
    over = (column + row) % 2 == 0 if rng.random() < 0.5 else (column + row) % 4 < 2
    # the thread on top shows its round profile, and dives at its ends
    profile = np.where(over, across_warp * (0.55 + 0.45 * across_weft), across_weft * (0.55 + 0.45 * across_warp))
    threads = np.exp(rng.normal(0, rng.uniform(0.04, 0.14), (2, 512))).astype(np.float32)
    thickness = np.where(over, threads[0].take(column % 512), threads[1].take(row % 512))
    fuzz = noise(rng, finest=1.2, coarsest=12, slope=0.5)
    tone = thickness * (0.6 + 0.42 * profile) * (1 + 0.09 * fuzz)
    folds = noise(rng, finest=70, slope=3.5)
    albedo = np.where(over[..., None], warp_colour, weft_colour) * tone[..., None]
    return Patch(
        albedo=np.clip(albedo, 0.003, 1).astype(np.float32),
        height=np.float32(pitch * 0.12) * profile + np.float32(rng.uniform(0, 7)) * folds,
        gloss=np.full((SIDE, SIDE), 0.01, dtype=np.float32),
        polish=5.0,
        direction=direction,
    )


def glazed_tile(rng: Generator) -> Patch:
    """A ceramic tile: plain, speckled or veined like marble; often a joint is in the picture."""
    base = jitter(pick(TILES, rng), rng, brightness=0.12, tint=0.05)
    clouds = noise(rng, finest=25, slope=2.5)
    tone = 1 + rng.uniform(0.01, 0.05) * clouds
    kind = rng.random()
    if kind < 0.3:
        veins = smoothstep(rng.uniform(0.1, 0.3), 0.0, np.abs(noise(rng, finest=6, slope=3.2)))
        tone = tone * (1 - rng.uniform(0.08, 0.35) * veins * smoothstep(-0.5, 1.5, clouds))
    elif kind < 0.55:
        specks = smoothstep(1.6, 2.4, noise(rng, finest=2.2, slope=0.0))
        tone = tone * (1 - rng.uniform(0.1, 0.5) * specks)
    patch = Patch(
        albedo=_tinted(base, tone),
        height=np.float32(rng.uniform(0.05, 0.5)) * noise(rng, finest=22, coarsest=160, slope=2),
        gloss=np.full((SIDE, SIDE), rng.uniform(0.1, 0.4), dtype=np.float32),
        polish=rng.uniform(30, 140),
        direction=rng.normal(0, 0.05),
    )
    return _with_joint(patch, rng) if rng.random() < 0.85 else patch


def _tinted(base: Colour, tone: Plane) -> Colour:
    return np.asarray(np.clip(base * tone[..., None], 0.003, 1), dtype=np.float32)


def _with_joint(patch: Patch, rng: Generator) -> Patch:
    x, y = coordinates()
    angle = patch.direction
    width, bevel = rng.uniform(4, 9), rng.uniform(1.5, 4)
    joint, rim = np.zeros_like(x), np.zeros_like(x)
    for turn in (0.0, math.pi / 2)[: int(rng.integers(1, 3))]:
        offset = float(rng.choice([-1, 1]) * rng.uniform(0.18, 0.40) * SIDE)
        away = np.abs(x * np.float32(math.cos(angle + turn)) + y * np.float32(math.sin(angle + turn)) - offset)
        joint = np.maximum(joint, smoothstep(width / 2 + 1, width / 2 - 1, away))
        rim = np.maximum(rim, smoothstep(width / 2 + bevel, width / 2, away))
    grout = jitter(colour(168, 164, 156), rng, brightness=0.3)
    rough = grain(rng)
    albedo = blend(patch.albedo, grout * (1 + 0.08 * rough)[..., None], joint)
    height = patch.height * (1 - joint) - 2.5 * rim + 0.25 * rough * joint
    return replace(patch, albedo=np.clip(albedo, 0.003, 1), height=height, gloss=patch.gloss * (1 - joint))
