"""Sorted photos: a folder per class, unknown ones apart, nothing lost and nothing twice."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from components.errors import UserInputError
from components.ingest import Limits, PhotoError
from components.serving.answers import Answer, RankedClass
from components.serving.table.contact_sheet import write_contact_sheet
from components.serving.table.named import NamedPhoto, named_photos
from components.serving.table.rows import Row, row_of
from components.serving.table.sorting import Sorter
from tests.conftest import draw_photo


def row(photo: NamedPhoto, name: str, abstained: bool = False) -> Row:
    return row_of(
        photo.name, Answer((RankedClass(name, name, 0.93), RankedClass("other", "other", 0.07)), abstained, "v1")
    )


def test_photos_go_by_class_and_a_second_run_changes_nothing(tmp_path: Path) -> None:
    for place, seed in (("x/1.jpg", 1), ("y/1.jpg", 2), ("y/2.jpg", 3), ("y/3.jpg", 4)):
        draw_photo(tmp_path / "in" / place, seed)
    photos = named_photos([str(tmp_path / "in")], Limits())
    broken = row_of(photos[3].name, PhotoError("broken", on="", remedy="do", reason="unreadable"))
    rows = [row(photos[0], "a/b"), row(photos[1], "a/b"), row(photos[2], "a/b", abstained=True), broken]

    for _ in range(2):
        sorter = Sorter(tmp_path / "out", ["a/b", "other"], link=True, sources=[tmp_path / "in"])
        for photo, each in zip(photos, rows, strict=True):
            sorter.put(photo, each)

    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.jpg")) == [
        *("a_b/1-2.jpg", "a_b/1.jpg", "unknown/2.jpg"),
    ]
    assert (tmp_path / "out/a_b/1.jpg").samefile(tmp_path / "in/x/1.jpg")
    assert len(list((tmp_path / "in").rglob("*.jpg"))) == 4


def test_a_photo_of_an_archive_is_written_and_leads_nowhere_else(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(file, "PNG")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("../../0.png", file.getvalue())
    [photo] = named_photos([str(tmp_path / "a.zip")], Limits())

    put = Sorter(tmp_path / "out", ["cat"], link=False, sources=[tmp_path / "a.zip"]).put(photo, row(photo, "cat"))

    assert put == tmp_path / "out/cat/0.png"
    assert put.read_bytes() == file.getvalue()


def test_a_class_called_unknown_and_classes_that_need_one_folder(tmp_path: Path) -> None:
    draw_photo(tmp_path / "1.jpg", 1)
    [photo] = named_photos([str(tmp_path / "1.jpg")], Limits())
    sorter = Sorter(tmp_path / "out", ["Unknown"], link=False, sources=[])
    assert sorter.put(photo, row(photo, "Unknown", abstained=True)) == tmp_path / "out/unknown (no class)/1.jpg"
    with pytest.raises(UserInputError, match="one folder"):
        Sorter(tmp_path / "out", ["a/b", "a_b"], link=False, sources=[])
    with pytest.raises(UserInputError, match="would be read the next time"):
        Sorter(tmp_path / "in/sorted", ["a"], link=False, sources=[tmp_path / "in", tmp_path])


def test_the_sheet_stands_alone_and_escapes_names(tmp_path: Path) -> None:
    draw_photo(tmp_path / "<b>&1.jpg", 1)
    photos = named_photos([str(tmp_path / "<b>&1.jpg"), str(tmp_path / "gone.jpg")], Limits())
    gone = row_of(photos[1].name, PhotoError("there is no such file", on="", remedy="do", reason="missing"))
    write_contact_sheet(
        tmp_path / "sheet.html",
        "Photos",
        [row(photos[0], "<i>cat"), gone],
        {photo.name: photo for photo in photos},
        Limits(),
    )

    page = (tmp_path / "sheet.html").read_text()
    assert "&lt;b&gt;&amp;1.jpg" in page
    assert "<b>" not in page
    assert "<i>" not in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert "http" not in page
    assert "there is no such file" in page
