"""Calibration of the probabilities, and the cost of a higher share of right answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from components.report.shares import Share
from components.report.sources import Sources

__all__ = ["Cost", "Trust", "trust_of"]

_WANTED = (0.9, 0.95, 0.98, 0.99)
_LARGEST = 5  # larger sets of likely classes are counted together


@dataclass(frozen=True)
class Cost:
    """The cost of a wanted share of right answers on the measured photos.

    Attributes:
        wanted: the wanted share.
        coverage: share of photos that would be answered; None if it is not reached by as many as 20.
        right: share of the answered photos that are right.
    """

    wanted: float
    coverage: float | None
    right: Share


@dataclass(frozen=True)
class Trust:
    """Calibration and coverage.

    Attributes:
        before: (confidence, accuracy, photos) of each bin, uncalibrated; empty if that was not kept.
        after: the same, calibrated.
        coverage: (share answered, share of those right), most confident photos first.
        answered: share of photos that are answered at the threshold.
        costs: of wanted accuracies.
        threshold: under which a photo is unknown; None: no photo is.
        threshold_why: the sentence about a wanted accuracy; empty if none was wanted.
        covered: photos whose class is among the likely ones.
        size: mean number of likely classes of the photos that have one.
        sizes: number of photos by number of likely classes, up to the most that a photo has; `5+` counts that many and more.
    """

    before: list[tuple[float, float, int]]
    after: list[tuple[float, float, int]]
    coverage: list[tuple[float, float]]
    answered: Share
    answered_right: Share
    costs: list[Cost]
    threshold: float | None
    threshold_why: str
    covered: Share
    size: float
    sizes: list[tuple[str, int]]


def trust_of(sources: Sources) -> Trust | None:
    """None if nothing was measured."""
    answers = sources.answers
    if not answers:
        return None
    ranked = sorted(answers, key=lambda photo: -photo.probability)
    right, counts = 0, []
    for photo in ranked:
        right += photo.right
        counts.append(right)
    answered = [photo for photo in answers if not photo.abstained]
    with_any = [len(photo.likely) for photo in answers if photo.likely]
    sizes = Counter(min(len(photo.likely), _LARGEST) for photo in answers)
    return Trust(
        before=_bins(sources.plots.get("reliability_raw", [])),
        after=_bins(sources.plots.get("reliability", [])),
        coverage=[(float(row["coverage"]), float(row["accuracy"])) for row in sources.plots.get("coverage", [])],
        answered=Share(len(answered), len(answers)),
        answered_right=Share(sum(photo.right for photo in answered), len(answered)),
        costs=[_cost(wanted, counts) for wanted in _WANTED],
        threshold=sources.bundle["threshold"],
        threshold_why=sources.bundle["provenance"].get("threshold", ""),
        covered=Share(sum(photo.actual in photo.likely for photo in answers), len(answers)),
        size=sum(with_any) / max(1, len(with_any)),
        sizes=[
            (f"{size}+" if size == _LARGEST else str(size), sizes[size]) for size in range(max(sizes, default=0) + 1)
        ],
    )


def _cost(wanted: float, right: list[int]) -> Cost:
    n = len(right)
    reached = [place for place in range(n) if right[place] >= wanted * (place + 1) and place + 1 >= min(20, n)]
    if not reached:
        return Cost(wanted, None, Share(0, 0))
    last = reached[-1] + 1
    return Cost(wanted, last / n, Share(right[last - 1], last))


def _bins(rows: list[dict[str, str]]) -> list[tuple[float, float, int]]:
    return [(float(row["confidence"]), float(row["accuracy"]), int(row["photos"])) for row in rows]
