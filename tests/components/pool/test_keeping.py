"""What the service keeps: what it did not know, close calls, a sample; and no more than it may."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from components.files import sha256_bytes
from components.ingest import Limits
from components.pool import Keeper, Pool, PoolSettings, why_kept
from components.pool.keeping import in_sample
from tests.conftest import draw_photo

SETTINGS = PoolSettings(keep_per_hour=3, keep_most=4, keep_sample=0.0)
SURE = {"top": [{"class": "rust", "probability": 0.95}, {"class": "dent", "probability": 0.05}], "abstained": False}
CLOSE = {"top": [{"class": "rust", "probability": 0.5}, {"class": "dent", "probability": 0.4}], "abstained": False}
UNKNOWN = {**SURE, "abstained": True, "bank": "v1"}


def photos(tmp_path: Path, count: int) -> list[bytes]:
    found = []
    for number in range(count):
        draw_photo(tmp_path / f"{number}.jpg", number, hue=20 * number)
        found.append((tmp_path / f"{number}.jpg").read_bytes())
    return found


def test_why_a_photo_is_kept() -> None:
    first, last = "0" * 64, "f" * 64
    assert why_kept(UNKNOWN, last, SETTINGS) == "abstained"
    assert why_kept(CLOSE, last, SETTINGS) == "close"
    assert why_kept(SURE, first, SETTINGS) == ""
    assert why_kept(SURE, first, PoolSettings(keep_sample=0.01)) == "sample"
    assert why_kept(SURE, last, PoolSettings(keep_sample=0.01)) == ""
    assert in_sample(first, PoolSettings(keep_sample=0.01))
    assert not in_sample(last, PoolSettings(keep_sample=0.01))
    assert why_kept({"error": {"code": "unreadable"}}, first, PoolSettings(keep_sample=1.0)) == ""


def test_photos_are_kept_with_their_answer_up_to_the_limits(tmp_path: Path) -> None:
    time = datetime(2026, 5, 1, tzinfo=UTC)
    pool = Pool(tmp_path / "pool")
    keeper = Keeper(pool, SETTINGS, Limits(), now=lambda: time)
    given = photos(tmp_path, 6)
    answers: list[dict[str, Any]] = [UNKNOWN, SURE, CLOSE, UNKNOWN, UNKNOWN, UNKNOWN]

    kept = keeper.keep(given, answers)

    assert [each.photo for each in kept] == [sha256_bytes(given[place]) for place in (0, 2, 3)]
    first = kept[0]
    assert (first.origin, first.why, first.answer, first.version, first.name) == (
        "service",
        "abstained",
        "rust",
        "v1",
        "",
    )
    assert keeper.keep(given[4:5], [UNKNOWN]) == []  # three in an hour
    time += timedelta(hours=2)
    assert len(keeper.keep(given[4:], [UNKNOWN, UNKNOWN])) == 1  # four in all
    assert pool.photos()[:3] == kept


def test_what_is_no_photo_is_not_kept(tmp_path: Path) -> None:
    pool = Pool(tmp_path / "pool")

    assert Keeper(pool, SETTINGS, Limits()).keep([b"no photo"], [UNKNOWN]) == []
    assert pool.photos() == []
