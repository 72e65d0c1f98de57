"""Keeps photos from the service in the pool: unknown ones, close calls, and a small sample of the rest.

The sample makes an unbiased estimate possible: photos that were kept because they are hard do not represent the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from components.files import sha256_bytes
from components.ingest import Limits, PhotoError
from components.pool.adding import pooled
from components.pool.pool import Pool, PooledPhoto
from components.pool.settings import PoolSettings

__all__ = ["Keeper", "in_sample", "why_kept"]


def why_kept(answer: Mapping[str, Any], photo: str, settings: PoolSettings) -> str:
    """Why a photo is worth keeping: `abstained`, `close` or `sample`; empty if it is not.

    Whether a photo is in the sample depends on its bytes alone.

    Args:
        answer: as `classify --json` gives it; with `error` it is never kept.
        photo: SHA-256 of its bytes.
        settings: say what is close and how large the sample is.
    """
    if "error" in answer or not answer.get("top"):
        return ""
    if answer.get("abstained"):
        return "abstained"
    first, *others = [ranked["probability"] for ranked in answer["top"]]
    if others and first - others[0] < settings.keep_margin:
        return "close"
    return "sample" if in_sample(photo, settings) else ""


def in_sample(photo: str, settings: PoolSettings) -> bool:
    """Whether a photo belongs to the random sample, sure or not; one that is kept for being hard may belong to it too."""
    return int(photo[:8], 16) < settings.keep_sample * 2**32


class Keeper:
    """Keeps photos that the service was asked about, within limits of number; safe to call from many threads.

    Args:
        pool: where to.
        settings: its limits.
        limits: limits of one photo's size.
        now: gives the time.
    """

    def __init__(
        self,
        pool: Pool,
        settings: PoolSettings,
        limits: Limits,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._pool = pool
        self._settings = settings
        self._limits = limits
        self._now = now
        self._lock = threading.Lock()

    def keep(self, photos: Sequence[bytes], answers: Sequence[Mapping[str, Any]]) -> list[PooledPhoto]:
        """Keep the photos of one request that are worth it, within `keep_per_hour` and `keep_most`; no name is kept."""
        wanted = []
        for content, answer in zip(photos, answers, strict=True):
            if why := why_kept(answer, sha256_bytes(content), self._settings):
                wanted.append((content, answer, why))
        if not wanted:
            return []
        with self._lock:
            now = self._now()
            there = [each for each in self._pool.photos() if each.origin == "service"]
            hour = [each for each in there if now - datetime.fromisoformat(each.time) < timedelta(hours=1)]
            room = min(self._settings.keep_most - len(there), self._settings.keep_per_hour - len(hour))
            lines, contents = [], []
            for content, answer, why in wanted[: max(0, room)]:
                try:
                    line = pooled(
                        content,
                        self._limits,
                        name="",
                        origin="service",
                        time=now.isoformat(timespec="milliseconds"),
                        why=why,
                        answer=answer["top"][0]["class"],
                        version=answer.get("bank", ""),
                    )
                except PhotoError:  # the service could read it, but under other limits
                    continue
                lines.append(line)
                contents.append(content)
            return self._pool.keep(lines, contents)
