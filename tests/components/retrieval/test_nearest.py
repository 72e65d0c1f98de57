"""Whatever the rows, the nearest are those that sorting all of them gives, in the same order."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from components.retrieval import nearest
from components.retrieval.nearest import similarities

Rows = NDArray[np.float32]


def unit(rows: NDArray[np.float64]) -> Rows:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def brute_force(rows: Rows, query: Rows, top: int) -> NDArray[np.intp]:
    """All rows in double precision, sorted; of equal ones the earlier first."""
    return np.argsort(-(rows.astype(np.float64) * query.astype(np.float64)).sum(1), kind="stable")[:top]


@st.composite
def crowded(draw: st.DrawFn) -> tuple[Rows, Rows]:
    """Rows of which many are equal, or differ in their last bits, and a query that may be one of them."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, d = draw(st.integers(1, 400)), draw(st.sampled_from([1, 3, 16, 129, 512]))
    distinct = unit(random.standard_normal((draw(st.integers(1, n)), d)))
    rows = distinct[random.integers(0, len(distinct), n)]
    if draw(st.booleans()):
        rows = np.nextafter(rows, random.choice(np.float32([-1, 1]), rows.shape)).astype(np.float32)
    query = rows[random.integers(n)] if draw(st.booleans()) else unit(random.standard_normal(d))
    return rows, query


@settings(deadline=None, max_examples=300)
@given(crowded(), st.integers(1, 500))
def test_as_sorting_all_rows(case: tuple[Rows, Rows], top: int) -> None:
    rows, query = case
    found, alike = nearest(rows, query, top)

    np.testing.assert_array_equal(found, brute_force(rows, query, top))
    np.testing.assert_array_equal(alike, similarities(rows, query, found))


@pytest.mark.parametrize("d", [64, 512, 1024])
def test_rows_that_differ_by_less_than_single_precision_can_tell(d: int) -> None:
    """A single-precision product confuses these; their true order is found all the same."""
    random = np.random.default_rng(d)
    row = unit(random.standard_normal(d))
    rows = np.tile(row, (5000, 1))
    places = random.integers(0, d, 5000)
    rows[np.arange(5000), places] = np.nextafter(rows[np.arange(5000), places], np.float32(1))

    found, _ = nearest(rows, row, 50)

    expected = brute_force(rows, row, 50)
    np.testing.assert_array_equal(found, expected)
    assert not np.array_equal(np.argsort(-(rows @ row), kind="stable")[:50], expected)


def test_equal_rows_stand_in_their_own_order_wherever_they_are() -> None:
    random = np.random.default_rng(0)
    rows = unit(random.standard_normal((9001, 512)))
    rows[::3] = rows[0]

    found, alike = nearest(rows, rows[0], 20)

    assert found.tolist() == list(range(0, 60, 3))
    assert len(set(alike.tolist())) == 1


def test_nothing_in_nothing_out() -> None:
    assert len(nearest(np.empty((0, 8), np.float32), unit(np.ones(8)), 5)[0]) == 0
