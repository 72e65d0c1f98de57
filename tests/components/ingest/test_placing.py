"""More photos for a photo folder of any layout, and what it is read as afterwards."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import UserInputError
from components.ingest import IngestSettings, check_placed, ingest, plan_placement

Draw = Callable[..., Path]


@pytest.fixture
def arrived(tmp_path: Path, draw: Draw) -> dict[str, list[Path]]:
    """Two photos of a new class and one of the class pit, called by their content."""
    files = [draw(tmp_path / "arrivals" / f"{seed}f", seed, "JPEG") for seed in (50, 51, 52)]
    return {"hairline crack": files[:2], "pit": files[2:]}


def place(root: Path, photos: dict[str, list[Path]], listing: str = "auto") -> list[str]:
    """As a consolidation does; the paths of the new files."""
    plan = plan_placement(root, photos, listing)
    for name, file in plan.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(file.read_bytes())
    if plan.list_name is not None:
        (root / plan.list_name).write_bytes(plan.list_content)
    check_placed(root, plan, listing)
    return sorted(plan.files)


def learnt(root: Path) -> dict[str, int]:
    """Support photos by class."""
    rows = ingest(root, settings=IngestSettings(shots=0), workers=1).sample.to_pylist()
    support = [row["class"] for row in rows if row["role"] == "support"]
    return {name: support.count(name) for name in dict.fromkeys(support)}


def as_splits(root: Path) -> str:
    for split in ("Training", "test"):
        (root / split).mkdir()
    for name in ("crack", "pit"):
        (root / "test" / name).mkdir()
        (root / name / "2.png").rename(root / "test" / name / "2.png")
        (root / name).rename(root / "Training" / name)
    return "Training/"


def as_csv(root: Path) -> str:
    rows = [f"{name};{seed};{name}/{seed}.png;train" for name in ("crack", "pit") for seed in range(3)]
    (root / "list.csv").write_bytes(("﻿Class;Note;path;SPLIT\r\n" + "\r\n".join(rows)).encode())
    return ""


def as_parquet(root: Path) -> str:
    rows = [{"path": f"{name}/{seed}.png", "class": name, "n": seed} for name in ("crack", "pit") for seed in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), root / "list.parquet")
    return ""


def as_coop(root: Path) -> str:
    (root / "images").mkdir()
    for name in ("crack", "pit"):
        (root / name).rename(root / "images" / name)
    rows = [
        [f"{name}/{seed}.png", label, f"{name} words"]
        for label, name in enumerate(("crack", "pit"))
        for seed in range(3)
    ]
    (root / "split_mine.json").write_text(json.dumps({"train": rows[:2] + rows[3:5], "test": [rows[2], rows[5]]}))
    return "images/"


@pytest.mark.parametrize("layout", [lambda root: "", as_splits, as_csv, as_parquet, as_coop])
def test_every_layout_takes_photos_of_new_and_of_known_classes(
    two_classes: Path, arrived: dict[str, list[Path]], layout: Callable[[Path], str]
) -> None:
    base = layout(two_classes)
    before = learnt(two_classes)

    files = place(two_classes, arrived)

    new, pit = f"{base}hairline crack", f"{base}pit"
    assert files == [f"{new}/50f.jpg", f"{new}/51f.jpg", f"{pit}/52f.jpg"]
    assert learnt(two_classes) == {"crack": before["crack"], "hairline crack": 2, "pit": before["pit"] + 1}
    if (two_classes / "split_mine.json").is_file():
        assert json.loads((two_classes / "split_mine.json").read_text())["train"][-1] == ["pit/52f.jpg", 1, "pit words"]
    # once more changes nothing
    again = plan_placement(two_classes, arrived, "auto")
    assert (again.files, again.list_name) == ({}, None)


def test_a_list_of_lines_stays_as_it_was_written_but_for_the_new_ones(
    two_classes: Path, arrived: dict[str, list[Path]]
) -> None:
    as_csv(two_classes)
    before = (two_classes / "list.csv").read_bytes()
    place(two_classes, {"pit": arrived["pit"]})
    assert (two_classes / "list.csv").read_bytes() == before + b"\r\npit;;pit/52f.jpg;train\r\n"


def test_a_folder_spelt_in_unicode_s_other_form_is_the_class_s(
    two_classes: Path, arrived: dict[str, list[Path]]
) -> None:
    (two_classes / "pit").rename(two_classes / unicodedata.normalize("NFD", "püt"))
    assert place(two_classes, {"püt": arrived["pit"]}) == [unicodedata.normalize("NFD", "püt/52f.jpg")]


def test_photos_deeper_in_the_class_s_folder_do_not_move_it(two_classes: Path, arrived: dict[str, list[Path]]) -> None:
    (two_classes / "pit/a").mkdir()
    for seed in range(3):
        (two_classes / f"pit/{seed}.png").rename(two_classes / f"pit/a/{seed}.png")
    assert place(two_classes, {"pit": arrived["pit"]}) == ["pit/52f.jpg"]


def test_a_class_called_as_something_else_in_the_layout_is_refused(
    two_classes: Path, arrived: dict[str, list[Path]], draw: Draw
) -> None:
    (two_classes / "pit" / "deep").mkdir()
    for name in ("__MACOSX", "thumbs.db"):
        with pytest.raises(UserInputError, match="would not be a photo of"):
            place(two_classes, {name: arrived["pit"]})


def test_a_parquet_list_that_cannot_hold_them_says_so(two_classes: Path, arrived: dict[str, list[Path]]) -> None:
    rows = [
        {"path": f"{name}/{seed}.png", "class": number, "n": seed}
        for number, name in enumerate(("crack", "pit"))
        for seed in range(3)
    ]
    pq.write_table(pa.Table.from_pylist(rows), two_classes / "list.parquet")
    with pytest.raises(UserInputError, match="cannot hold the new photos"):
        place(two_classes, arrived)


@pytest.mark.parametrize("name", ["TV/monitor", "../away", "/etc", "..", "a\\b", "con."])
def test_a_list_may_call_a_class_what_no_folder_is_called(
    two_classes: Path, arrived: dict[str, list[Path]], name: str
) -> None:
    for number, photo in enumerate(sorted(two_classes.glob("crack/*"))):
        photo.rename(two_classes / f"{number}.png")
    rows = [f"{number}.png,{name}" for number in range(3)] + [f"pit/{number}.png,pit" for number in range(3)]
    (two_classes / "manifest.csv").write_text("\n".join(["path,class", *rows, ""]))

    placed = place(two_classes, {name: arrived["hairline crack"]})

    assert len(placed) == 2
    assert all((two_classes / path).resolve().is_relative_to(two_classes.resolve()) for path in placed)
    assert learnt(two_classes)[name] == 5
