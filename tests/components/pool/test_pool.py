"""The pool keeps photos without a label, judges them as ingest does, and forgets them again."""

import json
from pathlib import Path

import pytest

from components.errors import ShotlineError, UserInputError
from components.ingest import Limits
from components.pool import Pool, add_photos
from tests.conftest import draw_photo

TIME = "2026-03-01T12:00:00.000+00:00"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photos, one twice, one hidden, one text, one link, and what a system leaves behind."""
    root = tmp_path / "camera"
    for number in range(3):
        draw_photo(root / "week" / f"{number}.jpg", number, hue=80 * number)
    (root / "again.jpg").write_bytes((root / "week/0.jpg").read_bytes())
    draw_photo(root / ".hidden.jpg", 9)
    (root / "notes.txt").write_text("no photo")
    (root / "link.jpg").symlink_to(root / "week/1.jpg")
    (root / "Thumbs.db").write_bytes(b"x")
    return root


def add(pool: Pool, *sources: Path, most_bytes: int = 10**9):  # type: ignore[no-untyped-def]
    return add_photos(pool, sources, limits=Limits(), most_bytes=most_bytes, time=TIME)


def test_photos_are_kept_under_their_hashes_and_the_rest_is_told(tmp_path: Path, folder: Path) -> None:
    pool = Pool(tmp_path / "data/pool")

    added = add(pool, folder)

    assert [each.name for each in added.added] == ["camera/again.jpg", "camera/week/1.jpg", "camera/week/2.jpg"]
    assert added.there == 1
    assert sorted(Path(each.on).name for each in added.refused) == ["link.jpg", "notes.txt"]
    assert {each.reason for each in added.refused} == {"outside_root", "not_an_image"}
    assert pool.photos() == added.added
    assert {each.time for each in added.added} == {TIME}
    for each in added.added:
        assert len(each.grey) == 256
        assert pool.path(each.photo).stat().st_size == each.size
    assert str(tmp_path) not in (pool.folder / "index.jsonl").read_text()
    assert (folder / "week/0.jpg").is_file()
    assert add(pool, folder).there == 4


def test_what_would_not_fit_is_refused_before_anything_is_written(tmp_path: Path, folder: Path) -> None:
    pool = Pool(tmp_path / "data/pool")

    with pytest.raises(UserInputError, match="nothing was added") as caught:
        add(pool, folder, most_bytes=100)

    assert "pool.most_gb" in caught.value.remedy
    assert not pool.folder.exists()


def test_nothing_at_all_is_told_but_one_empty_folder_among_others_is_no_fault(tmp_path: Path, folder: Path) -> None:
    pool, empty = Pool(tmp_path / "data/pool"), tmp_path / "empty"
    empty.mkdir()
    (empty / "Thumbs.db").write_bytes(b"x")

    with pytest.raises(UserInputError, match="there are no files") as caught:
        add(pool, empty)

    assert caught.value.on == str(empty)
    assert not pool.folder.exists()
    assert len(add(pool, empty, folder).added) == 3


def test_photos_are_forgotten_by_hash_or_name(tmp_path: Path, folder: Path) -> None:
    pool = Pool(tmp_path / "data/pool")
    first, second, third = add(pool, folder).added

    assert pool.find(first.photo[:10]) == first
    assert pool.find("camera/week/1.jpg") == second
    with pytest.raises(UserInputError, match="no such photo"):
        pool.find("nothing")
    assert pool.drop({first.photo, "unknown"}) == [first]

    assert pool.photos() == [second, third]
    assert not pool.path(first.photo).exists()
    with pytest.raises(UserInputError, match=first.photo[:12]):
        pool.files([first.photo])


def test_a_word_is_kept_and_taken_back(tmp_path: Path, folder: Path) -> None:
    pool = Pool(tmp_path / "data/pool")
    first, *_ = add(pool, folder).added

    pool.say([first.photo], "bad")
    assert [each.word for each in pool.photos()] == ["bad", "", ""]
    pool.say([first.photo], "")
    assert pool.photos()[0] == first


def test_a_damaged_index_says_which_line(tmp_path: Path, folder: Path) -> None:
    pool = Pool(tmp_path / "data/pool")
    add(pool, folder)
    path = pool.folder / "index.jsonl"
    path.write_text(path.read_text() + json.dumps({"odd": 1}) + "\n")

    with pytest.raises(ShotlineError, match="line 4 of the pool's index"):
        pool.photos()


def test_git_never_gets_the_photos(tmp_path: Path, folder: Path) -> None:
    pool = Pool(tmp_path / "data/pool")
    pool.folder.mkdir(parents=True)
    (pool.folder / ".gitignore").write_text("/mine\n")

    add(pool, folder)

    assert (pool.folder / ".gitignore").read_text().splitlines() == ["/mine", "/photos", "/index.jsonl"]
