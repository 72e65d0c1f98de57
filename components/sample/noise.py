"""Random fields: the raw material of every texture.

All of them are planes of `SIDE` x `SIDE` float32 with mean 0 and deviation 1, and wrap around at the edges.
"""

import functools
import math

import numpy as np
import scipy.fft
from numpy.random import Generator
from numpy.typing import NDArray

__all__ = ["SIDE", "Plane", "cells", "coordinates", "grain", "noise", "smoothstep"]

SIDE = 320
"""Pixels along one side of a patch; an FFT length, and larger than a photo so that the camera can move over it."""

Plane = NDArray[np.float32]


@functools.cache
def coordinates() -> tuple[Plane, Plane]:
    """The x (to the right) and y (down) of every pixel, in pixels from the patch's centre."""
    axis = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    x, y = np.meshgrid(axis, axis)
    return x.astype(np.float32), y.astype(np.float32)


@functools.cache
def _frequencies() -> tuple[Plane, Plane]:
    across = scipy.fft.rfftfreq(SIDE).astype(np.float32)
    down = scipy.fft.fftfreq(SIDE).astype(np.float32)
    fx, fy = np.meshgrid(across, down)
    return fx, fy


def noise(
    rng: Generator,
    *,
    finest: float = 2.0,
    coarsest: float = SIDE,
    slope: float = 2.0,
    stretch: float = 1.0,
    angle: float = 0.0,
) -> Plane:
    """Draw noise whose power falls with frequency as f ** -slope.

    Args:
        rng: the source of chance.
        finest: wavelength in pixels under which nothing is left.
        coarsest: wavelength in pixels above which nothing is left.
        slope: 0 is white, 2 is cloudy, 3 and more is smooth.
        stretch: how much longer its shapes are along `angle` than across it.
        angle: radians from the x axis.
    """
    fx, fy = _frequencies()
    cos, sin = math.cos(angle), math.sin(angle)
    along = (fx * cos + fy * sin) * np.float32(stretch)
    across = fy * cos - fx * sin
    power = along * along + across * across
    power[0, 0] = 1.0
    amplitude = np.exp(-(power * np.float32(2 * finest * finest)) - np.float32(slope / 4) * np.log(power))
    if coarsest < SIDE:
        amplitude *= 1 - np.exp(-power * np.float32(coarsest * coarsest))
    amplitude[0, 0] = 0.0
    # a sum of so many waves is Gaussian whatever their own distribution; uniform is the fastest to draw
    white = (rng.random((*fx.shape, 2), dtype=np.float32) - np.float32(0.5)).view(np.complex64)[..., 0]
    plane = np.asarray(scipy.fft.irfft2(white * amplitude, (SIDE, SIDE)), dtype=np.float32)
    return np.asarray(plane / plane.std(), dtype=np.float32)


def grain(rng: Generator) -> Plane:
    """White noise, one independent value a pixel."""
    return rng.standard_normal((SIDE, SIDE), dtype=np.float32)


def cells(rng: Generator, spacing: float, *, warp: float = 0.0) -> tuple[Plane, NDArray[np.intp]]:
    """Split the patch into polygons around jittered points `spacing` pixels apart.

    Args:
        rng: the source of chance.
        spacing: mean distance of the points in pixels.
        warp: how far noise bends the borders, in pixels.

    Returns:
        The distance to the nearest border in pixels (0 on it), and the number of the cell that a pixel lies in.
    """
    x, y = coordinates()
    if warp:
        x = x + np.float32(warp) * noise(rng, finest=4, coarsest=spacing * 2)
        y = y + np.float32(warp) * noise(rng, finest=4, coarsest=spacing * 2)
    count = math.ceil(SIDE / spacing) + 6
    points = rng.random((2, count, count), dtype=np.float32)
    column = np.floor(x / np.float32(spacing)).astype(np.intp) + count // 2
    row = np.floor(y / np.float32(spacing)).astype(np.intp) + count // 2
    nearest = np.full(x.shape, np.inf, dtype=np.float32)
    second = nearest.copy()
    owner = np.zeros(x.shape, dtype=np.intp)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            r, c = np.clip(row + i, 0, count - 1), np.clip(column + j, 0, count - 1)
            number = r * count + c
            dx = (c - count // 2 + points[0].take(number)) * np.float32(spacing) - x
            dy = (r - count // 2 + points[1].take(number)) * np.float32(spacing) - y
            distance = dx * dx + dy * dy
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            owner = np.where(closer, number, owner)
            nearest = np.minimum(nearest, distance)
    return ((np.sqrt(second) - np.sqrt(nearest)) / 2).astype(np.float32), owner


def smoothstep(low: float, high: float, values: Plane) -> Plane:
    """0 up to `low`, 1 from `high` on, an S-curve between; `low` above `high` turns it round."""
    t = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
