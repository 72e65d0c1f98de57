"""Prometheus metrics of the answers, beside BentoML's own; `docs/dashboard.json` shows them in Grafana.

Each process counts for itself; BentoML's `/metrics` adds them up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from components.serving.drift import Watched

__all__ = ["count_answers", "count_batch", "count_live_version", "count_step", "show_shift"]

_SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
_SIZES = (1, 2, 4, 8, 16, 32, 64)


def count_answers(answers: Sequence[dict[str, Any]]) -> None:
    """Answers as `POST /classify` gives them: by class, "unknown" for those that abstain, and how sure they are."""
    for answer in answers:
        if "error" in answer:
            _counter("photos_refused", "Photos that could not be read", "reason").labels(answer["error"]["code"]).inc()
            continue
        best = answer["top"][0]
        name = "unknown" if answer["abstained"] else best["class"]
        _counter("answers", "Answers by class; unknown: none of the classes", "class_name").labels(name).inc()
        _histogram("confidence", "Highest probability of an answer", _SHARES).observe(best["probability"])


def count_batch(n_photos: int) -> None:
    """Count a batch that the classifier has answered."""
    _histogram("batch_photos", "Photos in a batch", _SIZES).observe(n_photos)


def count_step(step: str, seconds: float) -> None:
    """Record the seconds of `decode`, `encode` or `head`."""
    _counter("step_seconds", "Seconds of decoding, encoding and the head", "step").labels(step).inc(seconds)


def count_live_version(version: str, before: str | None) -> None:
    """Record the version that answers from now on."""
    live = _gauge("live_version", "1 for the version that answers", "version")
    live.labels(version).set(1)
    if before is not None and before != version:
        live.labels(before).set(0)
        _counter("version_swaps", "How often another version came to answer").inc()


def show_shift(watched: Watched) -> None:
    """How far the last photos lie from the learnt ones."""
    _gauge("shift_further", "Chance that one of the last photos lies further off than a learnt one; 0.5 is home").set(
        watched.further
    )
    _gauge("shift_alarm", "1 where the last photos are unlike the learnt ones").set(int(watched.alarm))


# Created at first use: at import time they would miss the folder that BentoML's processes share.
@cache
def _counter(name: str, told: str, *labels: str) -> Any:
    from prometheus_client import Counter

    return Counter(f"shotline_{name}", told, labels)


@cache
def _histogram(name: str, told: str, buckets: tuple[float, ...]) -> Any:
    from prometheus_client import Histogram

    return Histogram(f"shotline_{name}", told, buckets=buckets)


@cache
def _gauge(name: str, told: str, *labels: str) -> Any:
    from prometheus_client import Gauge

    return Gauge(f"shotline_{name}", told, labels, multiprocess_mode="livemostrecent")
