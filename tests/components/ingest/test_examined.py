"""What a run has measured is not read again: the next one goes on where it was cut off, and sees every change."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from components.ingest import Ingested, IngestSettings, ingest, manifest
from components.ingest.examined import Examined
from tests.conftest import draw_photo


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for label, hue in (("red", 0), ("blue", 170)):
        for number in range(20):
            path = root / label / f"{number}.png"
            draw_photo(path, number + 50 * hue, hue=hue)
            os.utime(path, (1, 1))
    return root


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The photos that are read from now on."""
    paths: list[str] = []
    real = manifest.read_photo

    def counted(path: Path, limits: object, *, name: str) -> bytes:
        paths.append(name)
        return real(path, limits, name=name)  # type: ignore[arg-type]

    monkeypatch.setattr(manifest, "read_photo", counted)
    return paths


@pytest.fixture(autouse=True)
def nothing_is_young(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("components.ingest.examined._YOUNG_NS", 0)


def ingested(root: Path, **settings: int) -> Ingested:
    return ingest(root, settings=IngestSettings(**settings), examined=root.with_name("examined.sqlite"))


def test_only_what_is_new_or_has_changed_is_read(photos: Path, read: list[str]) -> None:
    first = ingested(photos)
    assert len(read) == 40
    read.clear()
    assert ingested(photos) == first
    assert read == []

    draw_photo(photos / "red/20.png", 100)  # new
    other = (photos / "red/1.png").read_bytes()[:-1] + b"!"
    (photos / "red/1.png").write_bytes(other)  # of the same size, and its time is set back
    os.utime(photos / "red/1.png", (1, 1))
    (photos / "red/3.png").replace(photos / "blue/3.png")  # another file in a photo's place
    (photos / "blue/4.png").unlink()
    later = ingested(photos)

    assert sorted(read) == ["blue/3.png", "red/1.png", "red/20.png"]
    assert later == ingest(photos, settings=IngestSettings())


def test_what_is_cut_off_goes_on(photos: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_off(done: int, total: int) -> None:
        raise KeyboardInterrupt  # with the first part of the photos

    with pytest.raises(KeyboardInterrupt):
        ingest(
            photos,
            settings=IngestSettings(),
            workers=1,
            progress=cut_off,
            examined=photos.with_name("examined.sqlite"),
        )
    read.clear()
    whole = ingested(photos)

    assert 0 < len(read) < 40
    assert whole == ingest(photos, settings=IngestSettings())


def test_other_limits_ask_every_photo(photos: Path, read: list[str]) -> None:
    ingested(photos)
    read.clear()
    refused = ingested(photos, max_bytes=(photos / "red/1.png").stat().st_size - 1)

    assert len(read) + refused.quarantine.num_rows >= 40
    assert "red/1.png" in refused.quarantine["path"].to_pylist()


def test_what_was_refused_is_asked_again(photos: Path, read: list[str]) -> None:
    (photos / "red/1.png").write_bytes(b"no photo")
    first = ingested(photos)
    read.clear()

    assert ingested(photos) == first
    assert read == ["red/1.png"]


@pytest.mark.parametrize("damage", ["no database", "a folder"])
def test_a_damaged_cache_costs_time_alone(photos: Path, read: list[str], damage: str) -> None:
    cache = photos.with_name("examined.sqlite")
    if damage == "a folder":
        cache.mkdir()
    else:
        cache.write_bytes(b"this is no database, " * 99)
    first = ingested(photos)
    read.clear()

    assert ingested(photos) == first
    assert len(read) == (40 if damage == "a folder" else 0)


def test_a_file_that_has_only_just_been_written_is_not_trusted(
    photos: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.ingest.examined._YOUNG_NS", 3600 * 10**9)
    ingested(photos)
    read.clear()
    ingested(photos)

    assert len(read) == 40


def test_photos_that_are_gone_are_forgotten(photos: Path) -> None:
    ingested(photos)
    for path in (photos / "red").glob("1*.png"):
        path.unlink()
    ingested(photos)
    cache = Examined(photos.with_name("examined.sqlite"), IngestSettings().limits)
    try:
        assert cache._database.execute("SELECT COUNT(*) FROM photo").fetchone() == (29,)
    finally:
        cache.close()
