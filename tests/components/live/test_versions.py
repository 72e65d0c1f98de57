"""The pointer says when it moved, so that what follows it can tell newer from older."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.bank import Bank
from components.classifier import Bundle
from components.files import write_json
from components.live import Version, Versions
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return drawn_bundle(drawn_support(shots=4), ["zero_shot", "nearest_mean"])[0]


@pytest.fixture
def published(tmp_path: Path, bundle: Bundle) -> tuple[Versions, Version]:
    bundle.save(tmp_path / "bundle")
    versions = Versions(tmp_path / "live")
    return versions, versions.publish(
        tmp_path / "bundle", Bank.empty(bundle), entry=0, made="2026-01-01T00:00:00+00:00"
    )


def moved(versions: Versions) -> str:
    pointer = versions.pointer()
    assert pointer is not None
    return pointer.moved


def test_it_says_when_it_moved(published: tuple[Versions, Version]) -> None:
    versions, version = published
    before = datetime.now(UTC)
    versions.point_to(version, entry=3)

    assert before <= datetime.fromisoformat(moved(versions)) <= datetime.now(UTC)
    assert (versions.current_name(), versions.entry()) == (version.name, 3)


def test_a_later_move_has_a_later_time_although_the_clock_went_back(published: tuple[Versions, Version]) -> None:
    versions, version = published
    future = "2999-01-01T00:00:00.000000+00:00"
    write_json(versions.folder / "current.json", {"version": version.name, "entry": 0, "moved": future})
    versions.point_to(version, entry=1)

    assert moved(versions) > future


def test_a_pointer_from_before_times_were_kept_is_read(published: tuple[Versions, Version]) -> None:
    versions, version = published
    write_json(versions.folder / "current.json", {"version": version.name, "entry": 2})

    assert (versions.current(), versions.entry(), moved(versions)) == (version, 2, "")
    versions.point_to(version, entry=3)
    assert moved(versions)
