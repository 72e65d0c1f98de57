"""Intervals and the paired test, against scipy's."""

import pytest

from components.report import mcnemar, wilson


@pytest.mark.parametrize(("count", "n"), [(0, 5), (5, 5), (234, 240), (1, 3), (50, 100)])
def test_wilson_is_scipys(count: int, n: int) -> None:
    from scipy.stats import binomtest

    interval = binomtest(count, n).proportion_ci(method="wilson")
    assert wilson(count, n) == (pytest.approx(interval.low, abs=1e-6), pytest.approx(interval.high, abs=1e-6))


def test_without_photos_nothing_is_known() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert mcnemar(0, 0) == 1.0


@pytest.mark.parametrize(("first", "second"), [(9, 0), (3, 9), (5, 5), (1, 0), (40, 22)])
def test_mcnemar_is_the_exact_binomial_test(first: int, second: int) -> None:
    from scipy.stats import binomtest

    assert mcnemar(first, second) == pytest.approx(binomtest(first, first + second, 0.5).pvalue)
