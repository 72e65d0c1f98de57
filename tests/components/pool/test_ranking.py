"""Which photos to label next: uncertain, unlike each other, like many others."""

import numpy as np
import pytest
from numpy.typing import NDArray

from components.pool import rank

Rows = NDArray[np.float32]


def clusters(sizes: list[int], d: int = 48, noise: float = 0.3, seed: int = 0) -> tuple[Rows, NDArray[np.int64]]:
    """Unit rows about as many random centres; and whose each row is."""
    random = np.random.default_rng(seed)
    whose = np.repeat(np.arange(len(sizes)), sizes)
    centres = random.standard_normal((len(sizes), d))
    rows = centres[whose] + noise * random.standard_normal((len(whose), d))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), whose


def test_with_nothing_labelled_each_kind_comes_once_before_any_comes_twice() -> None:
    rows, whose = clusters([40, 30, 20, 25, 35, 1])

    found = [int(whose[each.row]) for each in rank(rows, None, None, 6)]

    assert sorted(found[:5]) == [0, 1, 2, 3, 4]  # the lonely photo is not typical of anything
    assert found[0] in (0, 4)


def test_what_a_labelled_photo_tells_already_comes_late() -> None:
    rows, whose = clusters([30, 30, 30])

    found = [int(whose[each.row]) for each in rank(rows, None, rows[[0, 31]], 2)]

    assert found[0] == 2


def test_the_less_sure_kind_comes_first() -> None:
    rows, whose = clusters([30, 30])
    probabilities = np.where(whose[:, None] == 1, [[0.55, 0.45]], [[0.99, 0.01]]).astype(np.float32)

    first = rank(rows, probabilities, None, 1)[0]

    assert whose[first.row] == 1
    assert first.uncertainty == pytest.approx(0.9, abs=1e-6)
    assert 0 < first.typical <= 1


@pytest.mark.parametrize("n_photos", [0, 1, 3])
def test_no_photo_comes_twice_and_no_more_than_there_are(n_photos: int) -> None:
    rows, _ = clusters([3])

    found = [each.row for each in rank(rows[:n_photos], None, None, 20)]

    assert sorted(found) == list(range(n_photos))


def test_a_large_pool_is_ranked_by_those_that_stand_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.pool.ranking._CANDIDATES", 60)
    monkeypatch.setattr("components.pool.ranking._TOLD", 50)
    rows, whose = clusters([100, 100, 100])
    probabilities = np.full((300, 2), 0.5, np.float32)
    probabilities[whose == 0] = [1.0, 0.0]

    found = rank(rows, probabilities, None, 4)

    assert {int(whose[each.row]) for each in found[:2]} == {1, 2}
    assert rank(rows, probabilities, None, 4) == found
