"""Groups of near-duplicates."""

import time
from collections.abc import Callable
from unittest import mock

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import sparse

from components.ingest import groups_of, near_duplicates
from components.ingest.near_duplicates import THUMBNAIL_BYTES, thumbnail_of


def test_groups_are_closed_and_named_by_their_first(picture: Callable[..., Image.Image]) -> None:
    base = np.asarray(picture(1, (16, 16)).convert("L"), dtype=float)
    other = np.asarray(picture(2, (16, 16)).convert("L"), dtype=float)
    steps = [base, 0.88 * base + 0.12 * other, 0.76 * base + 0.24 * other]  # each like the next, the ends less so
    rows = [thumbnail_of(picture(9).convert("L"))] + [step.round().astype(np.uint8).tobytes() for step in steps]
    ends = np.corrcoef(steps[0].ravel(), steps[2].ravel())[0, 1]
    nexts = min(np.corrcoef(steps[i].ravel(), steps[i + 1].ravel())[0, 1] for i in (0, 1))
    assert ends < nexts
    assert groups_of(rows, (ends + nexts) / 2).tolist() == [0, 1, 1, 1]
    assert groups_of([rows[1], rows[3]], (ends + nexts) / 2).tolist() == [0, 1]


def test_flat_photos_are_alone() -> None:
    flat = [bytes([level]) * THUMBNAIL_BYTES for level in (90, 90, 200)]
    assert groups_of(flat, 0.985).tolist() == [0, 1, 2]
    assert groups_of([], 0.985).tolist() == []


def test_ten_thousand_photos_take_seconds_and_blocks_lose_nobody() -> None:
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (10_000, THUMBNAIL_BYTES), dtype=np.uint8)
    pixels[9_999] = pixels[3]  # far apart: in different blocks
    pixels[5_000] = np.clip(pixels[3] * 0.8, 0, 255)
    start = time.perf_counter()
    groups = groups_of([row.tobytes() for row in pixels], 0.985)
    assert time.perf_counter() - start < 20
    assert np.flatnonzero(groups == 3).tolist() == [3, 5_000, 9_999]
    assert len(np.unique(groups)) == 9_998


def test_at_a_threshold_of_one_every_copy_is_found() -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, THUMBNAIL_BYTES, np.uint8).tobytes() for _ in range(200)]

    groups = groups_of(pictures + pictures, 1.0)

    assert (groups[:200] == np.arange(200)).all()
    assert (groups[200:] == np.arange(200)).all()


@given(seed=st.integers(0, 2**32 - 1), few=st.sampled_from([1, 3, 16, 256]), part=st.sampled_from([5, 4096]))
@settings(max_examples=60, deadline=None)
def test_groups_are_those_of_comparing_all_pairs(seed: int, few: int, part: int) -> None:
    """Scenes of some noise, smooth or not, some flat; searched in halves of any size."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 120))
    scenes = random.integers(0, 256, (int(random.integers(1, 12)), THUMBNAIL_BYTES))
    if random.random() < 0.5:
        scenes = np.kron(random.integers(0, 256, (len(scenes), 4, 4)), np.ones((4, 4))).reshape(-1, THUMBNAIL_BYTES)
    noise = random.normal(0, random.choice([0, 1, 6, 20]), (n, THUMBNAIL_BYTES))
    pixels = np.clip(scenes[random.integers(0, len(scenes), n)] + noise, 0, 255).astype(np.uint8)
    pixels[random.integers(0, n, n // 12)] = 7
    threshold = float(random.choice([0.9, 0.985, 0.999, 1.0]))

    with mock.patch.multiple(near_duplicates, _FEW=few, _PART=part):
        found = groups_of([row.tobytes() for row in pixels], threshold)

    links = sparse.csr_matrix(correlation(pixels) >= threshold - 1e-12)
    _, component = sparse.csgraph.connected_components(links)
    first = {group: int(np.flatnonzero(component == group)[0]) for group in component}
    assert found.tolist() == [first[group] for group in component]


def test_a_scene_of_many_frames_is_one_group_without_comparing_its_pairs() -> None:
    random = np.random.default_rng(3)
    scene = random.integers(40, 216, THUMBNAIL_BYTES)
    frames = np.clip(scene + random.normal(0, 2, (3_000, THUMBNAIL_BYTES)), 0, 255).astype(np.uint8)
    compared = []

    with mock.patch.object(near_duplicates.np, "nonzero", lambda found: compared.append(found.size) or found.nonzero()):
        groups = groups_of([frame.tobytes() for frame in frames], 0.985)

    assert (groups == 0).all()
    assert sum(compared) < 3_000**2 / 8


def correlation(pixels: np.ndarray) -> np.ndarray:
    """Of all pairs; 0 with a photo that shows nothing."""
    centred = pixels - pixels.mean(1, keepdims=True)
    lengths = np.linalg.norm(centred, axis=1)
    shown = lengths >= 2.0 * 16
    alike = np.eye(len(pixels))
    alike[np.ix_(shown, shown)] = (centred[shown] @ centred[shown].T) / np.outer(lengths[shown], lengths[shown])
    return alike
