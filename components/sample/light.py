"""Light: one lamp near the patch, some light from everywhere, sometimes a shadow across."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from components.sample.noise import SIDE, Plane, coordinates, smoothstep
from components.sample.patch import Colour, Patch

__all__ = ["Light", "draw_light", "shade"]


@dataclass(frozen=True)
class Light:
    """Where the light comes from.

    Attributes:
        x, y, z: the lamp's place in pixels from the patch's centre; z is the height above it.
        ambient: share of light without direction, from 0 to 1.
        warmth: colour of the lamp; above 0 is warmer, below 0 is colder than white.
        shadow: darkness of a shadow's edge across the patch, from 0 (none) to 1.
        shadow_angle: direction in radians in which the shadow deepens.
        shadow_offset: its distance from the centre in pixels.
        shadow_softness: width of its edge in pixels.
    """

    x: float
    y: float
    z: float
    ambient: float
    warmth: float
    shadow: float
    shadow_angle: float
    shadow_offset: float
    shadow_softness: float


def draw_light(rng: Generator) -> Light:
    """Any lamp that an inspection photo may be taken under, from grazing to overhead."""
    azimuth = rng.uniform(0, 2 * math.pi)
    elevation = rng.uniform(math.radians(25), math.radians(80))
    distance = SIDE * rng.uniform(1.1, 4.0)
    return Light(
        x=distance * math.cos(elevation) * math.cos(azimuth),
        y=distance * math.cos(elevation) * math.sin(azimuth),
        z=distance * math.sin(elevation),
        ambient=rng.uniform(0.2, 0.55),
        warmth=rng.normal(0, 0.05),
        shadow=rng.uniform(0.15, 0.55) if rng.random() < 0.12 else 0.0,
        shadow_angle=rng.uniform(0, 2 * math.pi),
        shadow_offset=rng.uniform(-0.2, 0.3) * SIDE,
        shadow_softness=rng.uniform(10, 120),
    )


def shade(patch: Patch, light: Light) -> Colour:
    """The light that leaves the patch towards a camera above it, (side, side, 3), linear, about 0 to 1.

    Diffuse by Lambert's law, mirror-like by Blinn and Phong's half vector.
    """
    x, y = coordinates()
    slope_x = (np.roll(patch.height, -1, 1) - np.roll(patch.height, 1, 1)) / 2
    slope_y = (np.roll(patch.height, -1, 0) - np.roll(patch.height, 1, 0)) / 2
    steepness = slope_x * slope_x + slope_y * slope_y + 1
    to_x, to_y, to_z = light.x - x, light.y - y, np.float32(light.z)
    squared = to_x * to_x + to_y * to_y + to_z * to_z
    distance = np.sqrt(squared)
    facing = (to_z - slope_x * to_x - slope_y * to_y) / (distance * np.sqrt(steepness))
    falloff = np.float32(light.x**2 + light.y**2 + light.z**2) / squared
    flat = light.z / math.sqrt(light.x**2 + light.y**2 + light.z**2)
    diffuse = np.maximum(facing, 0) * falloff / np.float32(0.35 + 0.65 * flat)
    # the half vector of lamp and camera; the camera looks straight down
    half_z = to_z / distance + 1
    half_x, half_y = to_x / distance, to_y / distance
    cosine = (half_z - slope_x * half_x - slope_y * half_y) / np.sqrt(
        steepness * (half_x * half_x + half_y * half_y + half_z * half_z)
    )
    cosine = np.maximum(cosine, 0.05)
    mirror = np.exp(np.float32(-patch.polish) * (1 / (cosine * cosine) - 1)) * patch.gloss
    lit = np.float32(light.ambient) + np.float32(1 - light.ambient) * diffuse
    lamp = np.array([1 + light.warmth, 1, 1 - light.warmth], dtype=np.float32)
    radiance = (patch.albedo * lit[..., None] + (np.float32(1 - light.ambient) * mirror)[..., None]) * lamp
    if light.shadow:
        radiance = radiance * _shadow(light)[..., None]
    return np.asarray(radiance, dtype=np.float32)


def _shadow(light: Light) -> Plane:
    x, y = coordinates()
    across = x * np.float32(math.cos(light.shadow_angle)) + y * np.float32(math.sin(light.shadow_angle))
    inside = smoothstep(light.shadow_offset, light.shadow_offset + light.shadow_softness, across)
    return 1 - np.float32(light.shadow) * inside
