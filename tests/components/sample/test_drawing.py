import math

import numpy as np
import pytest

from components.sample import CLASSES, SampleClass
from components.sample.noise import SIDE, cells, noise, smoothstep
from components.sample.strokes import Stroke, fill, stroke_mask


def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_noise_has_mean_0_and_deviation_1() -> None:
    plane = noise(rng(), finest=4, slope=2)
    assert plane.shape == (SIDE, SIDE)
    assert plane.dtype == np.float32
    assert plane.mean() == pytest.approx(0, abs=1e-3)
    assert plane.std() == pytest.approx(1, abs=1e-3)


def test_stretched_noise_changes_slower_along_its_angle() -> None:
    plane = noise(rng(), finest=2, stretch=20, angle=0.0)
    along, across = np.diff(plane, axis=1).std(), np.diff(plane, axis=0).std()
    assert along < across / 5


def test_noise_has_nothing_above_its_coarsest_wavelength() -> None:
    plane = noise(rng(), coarsest=20, slope=0)
    blocks = plane.reshape(SIDE // 80, 80, SIDE // 80, 80).mean(axis=(1, 3))
    assert np.abs(blocks).max() < 0.05


@pytest.mark.parametrize(("low", "high", "expected"), [(0, 1, [0, 0.5, 1]), (1, 0, [1, 0.5, 0])])
def test_smoothstep_rises_or_falls(low: float, high: float, expected: list[float]) -> None:
    values = np.array([-0.5, 0.5, 1.5], dtype=np.float32)
    assert smoothstep(low, high, values).tolist() == pytest.approx(expected)


def test_cells_have_borders_of_distance_0_between_different_owners() -> None:
    border, owner = cells(rng(), 40)
    assert border.min() >= 0
    changes = owner[:, 1:] != owner[:, :-1]
    assert border[:, 1:][changes].max() < 1.5
    assert 30 < len(np.unique(owner)) < 130


def test_a_filled_square_covers_its_area() -> None:
    square = np.array([[50, 50], [150, 50], [150, 150], [50, 150]], dtype=np.float64)
    mask = fill([square])
    assert mask.sum() == pytest.approx(100 * 100, rel=0.02)
    assert mask[100, 100] == 1
    assert mask[10, 10] == 0


def test_a_stroke_covers_length_times_width() -> None:
    points = np.stack([np.linspace(40, 240, 60), np.full(60, 100.5)], axis=1)
    mask = stroke_mask([Stroke(points, np.full(60, 6.0))])
    assert mask.sum() == pytest.approx(200 * 6, rel=0.1)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)
def test_every_patch_is_material_that_light_can_fall_on(kind: SampleClass) -> None:
    patch = kind.surface(rng())
    for damage in kind.defects:
        patch = damage(patch, rng())
    assert patch.albedo.shape == (SIDE, SIDE, 3)
    assert patch.height.shape == patch.gloss.shape == (SIDE, SIDE)
    assert {patch.albedo.dtype, patch.height.dtype, patch.gloss.dtype} == {np.dtype(np.float32)}
    assert patch.albedo.min() >= 0
    assert patch.albedo.max() <= 1
    assert patch.gloss.min() >= 0
    assert patch.gloss.max() <= 1
    assert np.isfinite(patch.height).all()
    assert math.isfinite(patch.direction)
