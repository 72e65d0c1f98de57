"""Shares of photos, and how sure they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["Share", "mcnemar", "wilson"]

_Z = 1.959964  # 95 %


@dataclass(frozen=True)
class Share:
    """A share of n photos with its interval.

    Attributes:
        count: how many of them.
        n: of how many.
    """

    count: int
    n: int

    @property
    def share(self) -> float:
        """0 to 1; NaN without photos."""
        return self.count / self.n if self.n else math.nan

    @property
    def low(self) -> float:
        """Lower end of Wilson's 95 % interval."""
        return wilson(self.count, self.n)[0]

    @property
    def high(self) -> float:
        """Upper end of it."""
        return wilson(self.count, self.n)[1]


def wilson(count: int, n: int) -> tuple[float, float]:
    """Wilson's score interval of a share at 95 %, (0, 1) without photos.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927. It holds for few photos and
    for shares near 0 and 1, where plus and minus two standard errors do not.
    """
    if n == 0:
        return 0.0, 1.0
    share, square = count / n, _Z**2
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n * n)) / (1 + square / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def mcnemar(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of McNemar's paired test: that both are right equally often.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions", 1947; by the binomial
    distribution, which holds for few photos.

    Args:
        only_first: photos that only the first answers rightly.
        only_second: photos that only the second answers rightly.
    """
    from scipy.special import bdtr

    n = only_first + only_second
    return 1.0 if n == 0 else min(1.0, 2 * float(bdtr(min(only_first, only_second), n, 0.5)))
