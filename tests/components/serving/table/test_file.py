"""Rows in CSV and Parquet: spreadsheets open them, formulas are none, and a run that was stopped goes on."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.errors import UserInputError
from components.ingest import Limits, PhotoError
from components.serving.answers import Answer, PhotoClassifier, RankedClass
from components.serving.table.file import SCHEMA, TableFile
from components.serving.table.making import answers_to
from components.serving.table.named import named_photos
from components.serving.table.rows import COLUMNS, Row, csv_line, csv_rows, is_unsure, row_of
from tests.conftest import FakeBackbone, draw_photo
from tests.support.drawn_rows import drawn_support
from tests.support.saved_bundle import drawn_bundle


def answer(*ranked: tuple[str, float], likely: tuple[str, ...] = ("cat",)) -> Answer:
    return Answer(tuple(RankedClass(name, name, value) for name, value in ranked), False, "v1", likely)


SURE = row_of("a.jpg", answer(("cat", 0.95), ("dog", 0.05)))
TORN = row_of("b.jpg", answer(("cat", 0.6), ("dog", 0.35), ("cow", 0.05), likely=("cat", "dog")))
BROKEN = row_of("c.jpg", PhotoError("it is empty", on="c.jpg", remedy="copy it", reason="zero_byte"))


def test_the_columns_are_those_that_others_rely_on() -> None:
    assert (
        *("path", "class", "probability", "second", "second_probability", "likely", "abstained", "bank", "error"),
        "flaw",  # last: who reads columns by their numbers reads what they always did
    ) == COLUMNS
    assert TORN["likely"] == ["cat", "dog"]
    assert BROKEN["error"] == "it is empty; copy it"
    assert [is_unsure(row) for row in (SURE, TORN, BROKEN)] == [False, True, True]
    damaged = row_of("d.jpg", dataclasses.replace(answer(("cat", 0.95)), flaw="a part is missing"))
    assert (damaged["class"], damaged["error"], damaged["flaw"]) == ("cat", None, "a part is missing")
    assert (SURE["flaw"], BROKEN["flaw"]) == (None, None)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "＝", "'=", "''-"])
def test_a_formula_in_a_file_name_is_defused_and_can_be_read_back(start: str) -> None:
    name = f"{start}HYPERLINK(1);x.jpg"

    line = csv_line({**SURE, "path": name})

    [cells] = csv.reader(io.StringIO(line, newline=""))
    assert cells[0] == f"'{name}"
    assert line.startswith('"')  # a spreadsheet that parts cells at semicolons sees one cell
    assert next(csv_rows([",".join(COLUMNS), line]))["path"] == name


_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0|"), min_size=1)


@given(path=_text, names=st.lists(_text, min_size=2, max_size=3), error=_text)
def test_whatever_names_hold_comes_back_out_of_csv(path: str, names: list[str], error: str) -> None:
    rows = [
        {**SURE, "path": path, "class": names[0], "likely": names},
        {**SURE, "abstained": True, "likely": []},
        {**BROKEN, "error": error},
    ]

    text = io.StringIO(",".join(COLUMNS) + "\r\n" + "".join(map(csv_line, rows)), newline="")

    assert list(csv_rows(text)) == rows


def written(path: Path, rows: list[Row], **options: Any) -> Path:
    file = TableFile(path, "v1", **options)
    file.add(rows)
    file.finish()
    return path


def test_csv_and_parquet_hold_the_same(tmp_path: Path) -> None:
    rows = [SURE, TORN, BROKEN]
    table = pd.read_csv(written(tmp_path / "a.csv", rows, signature=True))
    assert (tmp_path / "a.csv").read_bytes().startswith(b"\xef\xbb\xbfpath,")
    assert table["likely"].tolist()[:2] == ["cat", "cat|dog"]
    assert table["abstained"].tolist()[:2] == [False, False]
    parquet = pq.read_table(written(tmp_path / "a.parquet", rows, kind="parquet"))
    assert parquet.schema == SCHEMA
    assert tuple(SCHEMA.names) == COLUMNS
    assert parquet.to_pylist() == rows
    assert list(tmp_path.glob("*.part")) == []


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_rows_of_a_finished_table_are_kept_and_new_ones_come_behind(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path / f"a.{kind}", [SURE, BROKEN], kind=kind)

    file = TableFile(path, "v1", kind=kind)
    assert file.done == {"a.jpg", "c.jpg"}
    file.add([TORN])
    assert file.finish() == 3
    assert [row["path"] for row in TableFile(path, "v1", kind=kind).rows()] == ["a.jpg", "c.jpg", "b.jpg"]


def test_a_line_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    file = TableFile(path, "v1")
    file.add([SURE, TORN])
    file.close()
    content = file.part.read_bytes()
    for size in range(len(content)):
        file.part.write_bytes(content[:size])
        again = TableFile(path, "v1")
        again.close()
        assert again.done == set(["a.jpg", "b.jpg"][: content[:size].count(b"\n")])
    assert not path.exists()  # what is called so is whole


def test_answers_of_two_versions_are_not_mixed_and_a_foreign_file_is_not_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", [SURE])
    with pytest.raises(UserInputError, match="version v1, and v2"):
        TableFile(path, "v2")
    assert (tmp_path / "a.csv").read_text().startswith("path,")
    foreign = tmp_path / "mine.csv"
    foreign.write_text("my,own\n1,2\n")
    with pytest.raises(UserInputError, match="no table of answers"):
        TableFile(foreign, "v1")
    assert foreign.read_text() == "my,own\n1,2\n"
    assert TableFile(path, "v2", anew=True).done == set()


def test_where_nothing_can_be_written_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for place in ("folder", "nowhere/a.csv"):
        with pytest.raises(UserInputError, match=r"folder|be written"):
            TableFile(tmp_path / place, "v1")
    part = tmp_path / "a.csv.part"
    for foreign in ("my,own\n1,2\nhalf", "[1, 2]\n"):
        part.write_text(foreign)
        with pytest.raises(UserInputError, match="no rows of answers"):
            TableFile(tmp_path / "a.csv", "v1")
        assert part.read_text() == foreign


def test_killed_at_any_batch_and_gone_on_with_the_file_is_the_same(tmp_path: Path) -> None:
    bundle = dataclasses.replace(drawn_bundle(drawn_support(d=32), ["map_lr"])[0], limits=Limits())
    classifier = PhotoClassifier(bundle, FakeBackbone(), top=10)  # type: ignore[arg-type]
    for number in range(70):
        draw_photo(tmp_path / f"in/{number:03d}.jpg", number, hue=number)
    (tmp_path / "in/050.jpg").write_bytes(b"broken")
    photos = named_photos([str(tmp_path / "in")], Limits())

    def table(name: str, stop_after: int | None = None) -> bytes:
        file = TableFile(tmp_path / name, classifier.version)
        made = 0
        for answered in answers_to(photos, classifier, file.done):
            rows = [row_of(photo.name, said) for photo, said in answered]
            file.add(rows if stop_after is None or made + len(rows) < stop_after else rows[: stop_after - made])
            made += len(rows)
            if stop_after is not None and made >= stop_after:
                file.close()
                return b""
        file.finish()
        return (tmp_path / name).read_bytes()

    whole = table("whole.csv")
    assert whole.count(b"\r\n") == 71
    for stop_after in (5, 32, 40, 69):
        name = f"{stop_after}.csv"
        table(name, stop_after)
        assert table(name) == whole
