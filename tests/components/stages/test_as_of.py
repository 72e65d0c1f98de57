"""A day's folder holds what was known then, by links; the workspace stays as it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from components.errors import UserInputError
from components.stages.as_of import linked_photos, parse_time

CAME = "5" * 64


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-01-31", datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("2026-01-31T18:00", datetime(2026, 1, 31, 18, tzinfo=UTC)),
        ("2026-01-31T18:00+01:00", datetime(2026, 1, 31, 17, tzinfo=UTC)),
    ],
)
def test_a_time_without_a_zone_is_utc_and_a_date_is_the_end_of_its_day(text: str, time: datetime) -> None:
    assert parse_time(text) == time


def test_today_is_now_and_tomorrow_is_refused() -> None:
    now = datetime.now(UTC)
    assert now <= parse_time(now.date().isoformat()) <= datetime.now(UTC)
    with pytest.raises(UserInputError, match="still to come"):
        parse_time((now + timedelta(days=2)).date().isoformat())
    with pytest.raises(UserInputError, match="'yesterday' is no time"):
        parse_time("yesterday")


@pytest.mark.parametrize("layout", ["folders", "csv", "coop"])
def test_photos_that_came_later_are_left_out_with_their_rows_and_nothing_is_copied(tmp_path: Path, layout: str) -> None:
    raw = tmp_path / "raw"
    for name in ("red/1.jpg", "red/2.jpg", f"new/{CAME}.jpg"):
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text(name)
    if layout == "csv":
        (raw / "list.csv").write_text(f"path,class\r\nred/1.jpg,red\r\nred/2.jpg,red\r\nnew/{CAME}.jpg,new\r\n")
    if layout == "coop":
        (raw / "split.json").write_text(json.dumps({"train": [["red/1.jpg", 0, "red"], [f"new/{CAME}.jpg", 1, "new"]]}))

    linked_photos(raw, tmp_path / "day", {CAME})

    there = {path.relative_to(tmp_path / "day").as_posix() for path in (tmp_path / "day").rglob("*")}
    assert there - {"list.csv", "split.json"} == {"red", "red/1.jpg", "red/2.jpg"}
    assert (tmp_path / "day/red/1.jpg").samefile(raw / "red/1.jpg")
    if layout == "csv":
        assert (tmp_path / "day/list.csv").read_bytes() == b"path,class\r\nred/1.jpg,red\r\nred/2.jpg,red\r\n"
        assert CAME in (raw / "list.csv").read_text()
    if layout == "coop":
        assert json.loads((tmp_path / "day/split.json").read_text()) == {"train": [["red/1.jpg", 0, "red"]]}
        assert CAME in (raw / "split.json").read_text()
