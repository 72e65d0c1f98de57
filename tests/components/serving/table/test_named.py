"""Which photos names mean: nothing is dropped in silence, nothing is asked twice, nothing leads out."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from components.errors import UserInputError
from components.ingest import Limits, PhotoError
from components.serving.table.named import named_photos, paths_in
from tests.conftest import draw_photo


def names(*given: str, **options: object) -> list[str]:
    return [photo.name for photo in named_photos(given, Limits(), **options)]  # type: ignore[arg-type]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos at two depths, what a system left, a text, and a hidden folder; we are beside it."""
    for name in ("b.jpg", "a.jpg", "sub/c.jpg", ".hidden/d.jpg"):
        draw_photo(tmp_path / "in" / name, 1)
    (tmp_path / "in/Thumbs.db").touch()
    (tmp_path / "in/notes.txt").write_text("words")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "in"


def test_a_folder_is_read_to_any_depth_without_what_systems_leave(folder: Path) -> None:
    assert names("in") == ["in/a.jpg", "in/b.jpg", "in/notes.txt", "in/sub/c.jpg"]


def test_what_is_named_twice_is_asked_once(folder: Path) -> None:
    assert names("in/b.jpg", "in", "in/*.jpg") == ["in/b.jpg", "in/a.jpg", "in/notes.txt", "in/sub/c.jpg"]


def test_what_is_being_written_is_no_photo(folder: Path) -> None:
    (folder / "answers.csv").write_text("path")

    assert "in/answers.csv" not in names("in", leave_out=[folder / "answers.csv", folder / "sub"])
    assert "in/sub/c.jpg" not in names("in", leave_out=[Path("in/sub")])


def test_links_that_lead_out_say_so_in_their_rows(folder: Path, tmp_path: Path) -> None:
    draw_photo(tmp_path / "out/x.jpg", 1)
    (folder / "file").symlink_to(tmp_path / "out/x.jpg")
    (folder / "folder").symlink_to(tmp_path / "out")

    refused = {photo.name: photo for photo in named_photos(["in"], Limits())}

    with pytest.raises(PhotoError, match="out of"):
        refused["in/file"].load()
    with pytest.raises(PhotoError, match="not followed"):
        refused["in/folder"].load()
    assert "in/folder/x.jpg" not in refused


def test_archives_in_folders_and_in_archives_say_that_they_are_not_opened(folder: Path) -> None:
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("inner.ZIP", b"PK")
        archive.writestr("a.png", photo_bytes())

    in_folder = {photo.name: photo for photo in named_photos(["in"], Limits())}["in/more.zip"]
    photo, inner = named_photos(["in/more.zip"], Limits())

    assert (photo.name, inner.name) == ("in/more.zip/a.png", "in/more.zip/inner.ZIP")
    for refused, what, remedy in ((in_folder, "not opened in a folder", "name it"), (inner, "within an", "unpack")):
        with pytest.raises(PhotoError, match=what) as caught:
            refused.load()
        assert remedy in caught.value.remedy


def test_a_name_that_is_no_text_has_a_row_too(folder: Path) -> None:
    (folder / "b.jpg").rename(os.fsdecode(os.fsencode(folder) + b"/\xff.jpg"))

    [photo] = [photo for photo in named_photos(["in"], Limits()) if "\ufffd" in photo.name]

    photo.name.encode()
    with pytest.raises(PhotoError, match="not valid UTF-8"):
        photo.load()


@pytest.mark.parametrize(
    ("name", "text"),
    [("list.txt", "a.jpg\r\nsub/c.jpg\r\n\r\n"), ("list.csv", "class,path\nx,a.jpg\ny,sub/c.jpg\n")],
)
def test_a_list_is_read_from_its_own_folder(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)

    assert names(f"in/{name}") == ["in/a.jpg", "in/sub/c.jpg"]


def test_an_empty_list_and_a_pattern_without_a_match_are_mistakes(folder: Path) -> None:
    (folder / "list.txt").write_text("\n")
    for given in ("in/list.txt", "in/*.webp"):
        with pytest.raises(UserInputError, match=r"no photo|no file"):
            names(given)


def test_paths_of_find_are_separated_by_zeros() -> None:
    assert paths_in("a\nb.jpg\0c.jpg\0") == ["a\nb.jpg", "c.jpg"]
    assert paths_in("a.jpg\nb c.jpg\n") == ["a.jpg", "b c.jpg"]


def photo_bytes() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "PNG")
    return file.getvalue()


def test_an_archive_is_read_without_unpacking_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("z/1.png", photo_bytes())
        archive.writestr("../../0.png", photo_bytes())
        archive.writestr("__MACOSX/z/._1.png", b"facts")
        archive.writestr("z/", b"")

    first, second = named_photos([str(tmp_path / "a.zip")], Limits())

    assert (first.name, second.name) == (f"{tmp_path}/a.zip/../../0.png", f"{tmp_path}/a.zip/z/1.png")
    assert second.load() == photo_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_a_member_that_unpacks_to_more_than_a_photo_may_have_is_not_read_to_its_end(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", bytes(5_000_000))

    [bomb] = named_photos([str(tmp_path / "a.zip")], Limits(max_bytes=1_000))

    with pytest.raises(PhotoError, match="more than 1,000 bytes"):
        bomb.load()


def test_a_damaged_member_is_an_error_of_that_photo_and_a_damaged_archive_of_all(tmp_path: Path) -> None:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("1.png", photo_bytes())
    content = bytearray(whole.getvalue())
    content[60] ^= 255
    (tmp_path / "member.zip").write_bytes(content)
    (tmp_path / "all.zip").write_bytes(whole.getvalue()[:-30])

    [member] = named_photos([str(tmp_path / "member.zip")], Limits())
    with pytest.raises(PhotoError, match="cannot be unpacked"):
        member.load()
    with pytest.raises(UserInputError, match="archive cannot be read"):
        named_photos([str(tmp_path / "all.zip")], Limits())
