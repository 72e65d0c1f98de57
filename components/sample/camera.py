"""The camera: where it stands, what its lens and sensor do, and the JPEG that comes out."""

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from components.sample.noise import SIDE, Plane
from components.sample.patch import Colour

__all__ = ["PHOTO_SIDE", "Camera", "draw_camera", "take_photo"]

PHOTO_SIDE = 256
"""Pixels along one side of a photo."""


@dataclass(frozen=True)
class Camera:
    """How one photo is taken.

    Attributes:
        corners: (4, 2), where the photo's corners lie on the patch, in pixels from its upper left corner;
            upper left, lower left, lower right, upper right.
        exposure: stops above (positive) or below a well exposed photo.
        contrast: strength of the S-shaped tone curve, from 0 (straight) to 1.
        white_balance: (3,), gains of red, green and blue.
        vignetting: how much darker the corners are, from 0 to 1.
        blur: radius of the focus error in pixels.
        noise: deviation of the sensor noise in a mid grey, from 0 to 1.
        quality: of the JPEG, from 1 to 95.
    """

    corners: NDArray[np.float64]
    exposure: float
    contrast: float
    white_balance: NDArray[np.float64]
    vignetting: float
    blur: float
    noise: float
    quality: int


def draw_camera(rng: Generator) -> Camera:
    """A hand-held camera above the patch: another distance, tilt, exposure and quality each time."""
    warmth, tint = rng.normal(0, 0.035), rng.normal(0, 0.012)
    return Camera(
        corners=_draw_corners(rng),
        exposure=rng.normal(0, 0.3),
        contrast=rng.uniform(0, 0.8),
        white_balance=np.array([1 + warmth, 1 + tint, 1 - warmth]),
        vignetting=rng.uniform(0, 0.35),
        blur=max(0.0, rng.normal(0.25, 0.4)),
        noise=rng.uniform(0.004, 0.03),
        quality=int(rng.integers(55, 95)),
    )


def take_photo(radiance: Colour, camera: Camera, rng: Generator) -> bytes:
    """Photograph the light (side, side, 3; linear) that comes from a patch; a JPEG's bytes.

    `rng` is the sensor's noise.
    """
    gain = 0.36 * 2**camera.exposure / (0.02 + _middle_brightness(radiance))
    exposed = radiance * (gain * camera.white_balance).astype(np.float32)
    # a soft shoulder instead of hard clipping, then the square root as the display's curve
    display = np.sqrt(1 - np.exp(-np.maximum(exposed, 0) * np.float32(1.2)))
    frame = Image.fromarray(_to_bytes(display))
    # at so small tilts a bilinear quadrilateral cannot be told from true perspective
    photo = frame.transform(
        (PHOTO_SIDE, PHOTO_SIDE),
        Image.Transform.QUAD,
        camera.corners.ravel().tolist(),
        Image.Resampling.BICUBIC,
    )
    photo = photo.filter(ImageFilter.GaussianBlur(camera.blur))
    values = np.asarray(photo, dtype=np.float32) / np.float32(255) * _vignette(camera.vignetting)[..., None]
    values = values + np.float32(camera.contrast) * values * (1 - values) * (2 * values - 1)
    values = values + _sensor_noise(values, camera.noise, rng)
    file = io.BytesIO()
    Image.fromarray(_to_bytes(values)).save(file, "JPEG", quality=camera.quality)
    return file.getvalue()


def _draw_corners(rng: Generator) -> NDArray[np.float64]:
    half = rng.uniform(0.30, 0.45) * SIDE
    square = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]], dtype=np.float64) * half
    tilt_x, tilt_y = rng.normal(0, 0.06, 2)
    square *= 1 + square / half @ np.array([[tilt_x], [tilt_y]])
    turn = rng.normal(0, math.radians(6))
    rotation = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    corners = square @ rotation.T + rng.normal(0, 0.03 * SIDE, 2)
    # never over the patch's edge
    corners *= min(1.0, (SIDE / 2 - 2) / np.abs(corners).max())
    return np.asarray(corners + SIDE / 2)


def _middle_brightness(radiance: Colour) -> float:
    # halfway to the brightest channel, so that a strong colour is not overexposed
    quarter = SIDE // 4
    middle = radiance[quarter:-quarter:4, quarter:-quarter:4]
    return float((middle.mean() + middle.max(axis=2).mean()) / 2)


def _vignette(strength: float) -> Plane:
    axis = np.linspace(-1, 1, PHOTO_SIDE, dtype=np.float32)
    squared = (axis * axis)[:, None] + (axis * axis)[None, :]
    return np.asarray(1 - np.float32(strength / 2) * squared, dtype=np.float32)


def _sensor_noise(values: Colour, strength: float, rng: Generator) -> Colour:
    # mostly brightness, a little colour; the darker, the more visible after the display's curve
    shared = rng.standard_normal((*values.shape[:2], 1), dtype=np.float32)
    own = rng.random(values.shape, dtype=np.float32) * 3 - np.float32(1.5)
    visible = np.float32(1.3) - values * np.float32(0.6)
    return np.float32(strength) * visible * (shared + np.float32(0.5) * own)


def _to_bytes(values: Colour) -> NDArray[np.uint8]:
    return (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
