"""Every layout of a photo folder, and what the user sees of every folder that cannot be read as a whole."""

import json
import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import UserInputError
from components.ingest import Ingested, IngestSettings, ingest

Draw = Callable[..., Path]


def read(root: Path, **settings: object) -> Ingested:
    return ingest(root, settings=IngestSettings(**settings))  # type: ignore[arg-type]


def rows(found: Ingested) -> set[tuple[str, str, str | None]]:
    return {(row["path"], row["class"], row["split"]) for row in found.manifest.to_pylist()}


def test_a_folder_per_class(two_classes: Path, draw: Draw) -> None:
    draw(two_classes / "pit" / "tuesday" / "deep.png", 77)
    (two_classes / "README.md").write_text("about these photos")
    found = read(two_classes)
    assert found.layout == "folders"
    assert ("pit/tuesday/deep.png", "pit", None) in rows(found)
    assert found.manifest.num_rows == 7
    assert found.quarantine.num_rows == 0  # the README beside the classes is nobody's photo
    assert [note.code for note in found.notes] == ["nested_folders"]


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("Training", "valid", "testing"), ("TRAIN", "validation", "Test")],
)
def test_splits_with_class_folders(tmp_path: Path, draw: Draw, train: str, val: str, test: str) -> None:
    for seed, (folder, label) in enumerate((f, c) for f in (train, val, test) for c in ("crack", "pit")):
        draw(tmp_path / folder / label / "1.png", seed)
    found = read(tmp_path)
    assert found.layout == "split_folders"
    assert rows(found) == {
        (f"{folder}/{label}/1.png", label, split)
        for folder, split in ((train, "train"), (val, "val"), (test, "test"))
        for label in ("crack", "pit")
    }


def test_a_class_may_be_called_train(tmp_path: Path, draw: Draw) -> None:
    for seed, label in enumerate(("train", "bus", "car")):
        draw(tmp_path / label / "1.png", seed)
    found = read(tmp_path)
    assert found.layout == "folders"
    assert {label for _, label, _ in rows(found)} == {"train", "bus", "car"}


def test_hidden_files_and_what_systems_leave_behind_are_passed_over(two_classes: Path, draw: Draw) -> None:
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._0.png"):
        (two_classes / "crack" / name).write_bytes(b"x")
    draw(two_classes / "crack" / ".trash" / "1.png", 50)
    draw(two_classes / "__MACOSX" / "1.png", 51)
    draw(two_classes / ".git" / "1.png", 52)
    found = read(two_classes)
    assert found.manifest.num_rows == 6
    assert found.quarantine.num_rows == 0


def test_composed_and_decomposed_names_are_one_class(tmp_path: Path, draw: Draw) -> None:
    draw(tmp_path / "train" / unicodedata.normalize("NFD", "fissé") / "1.png", 1)
    draw(tmp_path / "train" / "缺陷" / "1.png", 2)
    draw(tmp_path / "test" / unicodedata.normalize("NFC", "fissé") / "1.png", 3)
    draw(tmp_path / "test" / "缺陷" / "🔩.png", 4)
    assert {label for _, label, _ in rows(read(tmp_path))} == {"fissé", "缺陷"}


@pytest.mark.parametrize("form", ["comma", "semicolon", "excel", "parquet", "other name", "windows"])
def test_a_manifest(two_classes: Path, form: str) -> None:
    lines = [
        "path,class,side,split",
        "crack/0.png,Riss,left,train",
        "pit/0.png,Loch,right,train",
        "pit/1.png,Loch,,test",
    ]
    text = "\n".join(lines) + "\n"
    if form == "parquet":
        table = pa.table(
            {name: [line.split(",")[i] for line in lines[1:]] for i, name in enumerate(lines[0].split(","))}
        )
        pq.write_table(table, two_classes / "manifest.parquet")
    elif form == "other name":
        (two_classes / "photos of May.csv").write_text(text)
    elif form == "excel":
        (two_classes / "manifest.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    elif form == "semicolon":
        (two_classes / "manifest.csv").write_text(text.replace(",", ";").replace("path", " Path "))
    elif form == "windows":
        (two_classes / "manifest.csv").write_text(text.replace("/", "\\"))
    else:
        (two_classes / "manifest.csv").write_text(text)
    (two_classes / "prices.csv").write_text("product,price\nbolt,3\n")  # no list of photos
    found = read(two_classes)
    assert found.layout == "manifest"
    assert rows(found) == {
        ("crack/0.png", "Riss", "train"),
        ("pit/0.png", "Loch", "train"),
        ("pit/1.png", "Loch", "test"),
    }


def coop(root: Path, base: str = "", **splits: list[list[object]]) -> Path:
    path = root / "split_zhou_Steel.json"
    path.write_text(json.dumps(splits))
    return path


@pytest.mark.parametrize("base", ["", "images"])
def test_a_coop_split_file(tmp_path: Path, draw: Draw, base: str) -> None:
    for seed, name in enumerate(("cls_1/a.png", "cls_2/a.png", "cls_1/b.png", "cls_2/b.png")):
        draw(tmp_path / base / name, seed)
    coop(
        tmp_path,
        train=[["cls_1/a.png", 0, "surface crack"], ["cls_2/a.png", 1, "pit"]],
        val=[["cls_1/b.png", 0, "surface crack"]],
        test=[["cls_2/b.png", 1, "pit"]],
    )
    found = read(tmp_path)
    assert found.layout == "coop"
    at = f"{base}/" if base else ""
    assert rows(found) == {
        (f"{at}cls_1/a.png", "cls_1", "train"),
        (f"{at}cls_2/a.png", "cls_2", "train"),
        (f"{at}cls_1/b.png", "cls_1", "val"),
        (f"{at}cls_2/b.png", "cls_2", "test"),
    }
    assert dict(zip(found.classes["class"].to_pylist(), found.classes["name"].to_pylist(), strict=True)) == {
        "cls_1": "surface crack",
        "cls_2": "pit",
    }


def test_a_coop_file_whose_folders_are_no_classes_gives_its_own_names(tmp_path: Path, draw: Draw) -> None:
    for seed, name in enumerate("ab"):
        draw(tmp_path / f"{name}.png", seed)
    coop(tmp_path, train=[["a.png", 0, "Abyssinian cat"], ["b.png", 1, "beagle"]])
    assert {label for _, label, _ in rows(read(tmp_path))} == {"Abyssinian cat", "beagle"}


def test_the_setting_chooses_between_lists(two_classes: Path) -> None:
    (two_classes / "a.csv").write_text("path,class\ncrack/0.png,x\npit/0.png,y\n")
    (two_classes / "b.csv").write_text("path,class\ncrack/0.png,u\npit/0.png,v\n")
    with pytest.raises(UserInputError, match=r"2 lists of photos: a.csv, b.csv .*ingest\.listing"):
        read(two_classes)
    assert {label for _, label, _ in rows(read(two_classes, listing="b.csv"))} == {"u", "v"}
    assert {label for _, label, _ in rows(read(two_classes, listing="folders"))} == {"crack", "pit"}


def empty(root: Path, draw: Draw) -> None:
    root.mkdir()


def is_a_file(root: Path, draw: Draw) -> None:
    root.write_text("x")


def no_folder(root: Path, draw: Draw) -> None:
    pass


def loose_photos(root: Path, draw: Draw) -> None:
    draw(root / "1.png")
    draw(root / "2.jpg")


def one_class(root: Path, draw: Draw) -> None:
    draw(root / "crack" / "1.png")


def one_class_beside_empty_folders(root: Path, draw: Draw) -> None:
    draw(root / "crack" / "1.png", 1)
    for name in ("scratch", "pit"):
        (root / name).mkdir()


def classes_one_level_down(root: Path, draw: Draw) -> None:
    for seed, label in enumerate(("crack", "pit")):
        draw(root / "photos" / label / "1.png", seed)


def no_files(root: Path, draw: Draw) -> None:
    (root / "crack").mkdir(parents=True)
    (root / "pit").mkdir()


def no_photos(root: Path, draw: Draw) -> None:
    for label in ("crack", "pit"):
        (root / label).mkdir(parents=True)
        (root / label / "notes.txt").write_text(label)


def photos_in_splits_without_classes(root: Path, draw: Draw) -> None:
    draw(root / "train" / "1.png", 1)
    draw(root / "test" / "1.png", 2)


def splits_and_classes(root: Path, draw: Draw) -> None:
    draw(root / "train" / "crack" / "1.png", 1)
    draw(root / "scratch" / "1.png", 2)


def two_validation_folders(root: Path, draw: Draw) -> None:
    for seed, split in enumerate(("train", "val", "valid")):
        draw(root / split / "crack" / "1.png", seed)


def no_train(root: Path, draw: Draw) -> None:
    draw(root / "test" / "crack" / "1.png")


def manifest(text: str, name: str = "manifest.csv") -> Callable[[Path, Draw], None]:
    def build(root: Path, draw: Draw) -> None:
        draw(root / "crack" / "1.png", 1)
        draw(root / "pit" / "1.png", 2)
        (root / name).write_bytes(text.encode("latin-1"))

    return build


def splits(content: object) -> Callable[[Path, Draw], None]:
    def build(root: Path, draw: Draw) -> None:
        draw(root / "crack" / "1.png", 1)
        draw(root / "pit" / "1.png", 2)
        text = content if isinstance(content, str) else json.dumps(content)
        (root / "split_zhou_X.json").write_text(text)

    return build


def two_bases(root: Path, draw: Draw) -> None:
    splits({"train": [["crack/1.png", 0, "crack"], ["pit/1.png", 1, "pit"]]})(root, draw)
    draw(root / "copy" / "crack" / "1.png", 1)
    draw(root / "copy" / "pit" / "1.png", 2)


@pytest.mark.parametrize(
    ("build", "what", "remedy"),
    [
        (no_folder, "there is no such folder", "give a folder"),
        (is_a_file, "it is a file, not a folder", "give a folder"),
        (empty, "neither class folders nor a list", "one folder of photos per class"),
        (loose_photos, "2 photos lie directly in the folder", "a folder of its own, or write a manifest.csv"),
        (one_class, "there is one class only, crack", "at least one more class"),
        (
            one_class_beside_empty_folders,
            "one class only, crack; without a photo: pit/, scratch/",
            "put photos into pit/",
        ),
        (classes_one_level_down, "there is one class only, photos", "give "),
        (no_files, "the folders hold no files", "put photos into each class's folder"),
        (no_photos, "no class has a photo that can be learnt from; refused: 2 not_an_image", "crack/notes.txt"),
        (photos_in_splits_without_classes, "test/, train/ hold photos directly", "make a folder per class"),
        (splits_and_classes, "stand beside scratch/: splits or classes?", "move the class folders into train/"),
        (two_validation_folders, "val/ and valid/ both mean the val split", "merge them"),
        (no_train, "there is test/ but no train/", "add train/"),
        (manifest(""), "no column path and no column class; it has none", "name the columns path, class"),
        (manifest("file,label\n"), "no column path and no column class; it has file, label", "name the columns"),
        (manifest("path,label\ncrack/1.png,a\n"), "no column class; it has path, label", "name the columns"),
        (manifest("path,class\n"), "the manifest has no rows", "add one row per photo"),
        (manifest("path,class\ncrack/1.png,a\n,b\n"), "row 3 has an empty path", "fill it in"),
        (manifest("path,class\ncrack/1.png,\n"), "row 2 has an empty class", "fill it in"),
        (
            manifest("path,class,split\ncrack/1.png,a,holdout\n"),
            "row 2 has the split 'holdout'",
            "use train, val or test",
        ),
        (
            manifest("path,class,split\ncrack/1.png,a,train\npit/1.png,b,\n"),
            "1 of the manifest's 2 rows have no split, the first is pit/1.png",
            "give every row a split",
        ),
        (manifest("path,class\n../secret.png,a\n"), "row 2 names '../secret.png', which leads out", "without .."),
        (manifest("path,class\ncrack/../../x.png,a\n"), "leads out of the photo folder", "without .."),
        (manifest("path,class\n/etc/passwd,a\n"), "row 2 names '/etc/passwd', which leads out", "relative"),
        (manifest("path,class\nC:\\photos\\x.png,a\n"), "leads out of the photo folder", "relative"),
        (
            manifest("path,class\na.png,a\nb.png,b\n"),
            "none of the 2 photos listed is there, the first is a.png",
            "relative",
        ),
        (manifest("path,class\ncrack/1.png,a\n"), "there is one class only, a", "one more class"),
        (manifest("path,class\ncrack/1.png,\xe4\n"), "the file is not UTF-8", "UTF-8"),
        (manifest("PAR1", "manifest.parquet"), "the Parquet file cannot be read", "write it again"),
        (
            manifest("path,class,split\ncrack/1.png,a,test\npit/1.png,b,test\n"),
            "no class has a photo that can be learnt from",
            "to train",
        ),
        (splits("{"), "the split file is no JSON", "[path, label, class name]"),
        (splits([]), "no list train, val or test", "[path, label, class name]"),
        (splits({"train": "x"}), "entry 0 of train is None", "[path, label, class name]"),
        (
            splits({"train": [["crack/1.png", 0]]}),
            "entry 0 of train is ['crack/1.png', 0]",
            "[path, label, class name]",
        ),
        (splits({"test": [["crack/1.png", 0, "a"]]}), "no training photos", "[path, label, class name]"),
        (splits({"train": [["x.png", 0, "a"]]}), "none of the photos listed is there, the first is x.png", "beside"),
        (
            splits({"train": [["../x.png", 0, "a"], ["pit/1.png", 1, "b"]]}),
            "leads out of the photo folder",
            "without ..",
        ),
        (
            splits({"train": [["crack/1.png", 0, "a"], ["pit/1.png", 0, "b"]]}),
            "label 0 is called both 'a' and 'b'",
            "correct the list",
        ),
        (
            splits({"train": [["crack/1.png", 0, "a"], ["pit/1.png", 1, "a"]]}),
            "two labels have the same name",
            "correct the list",
        ),
        (two_bases, "lie in the root and copy/", "leave one of them"),
    ],
)
def test_what_the_user_sees_of_every_bad_folder(
    build: Callable[[Path, Draw], None], what: str, remedy: str, tmp_path: Path, draw: Draw
) -> None:
    root = tmp_path / "data"
    build(root, draw)
    with pytest.raises(UserInputError) as caught:
        read(root)
    assert what in caught.value.what
    assert remedy in caught.value.remedy
    assert str(root) in caught.value.on


def test_an_unknown_list_is_refused(two_classes: Path) -> None:
    for name in ("nowhere.csv", "../outside.csv"):
        (two_classes.parent / "outside.csv").write_text("path,class\n")
        with pytest.raises(UserInputError, match="which is no file in the photo folder"):
            read(two_classes, listing=name)


def test_links_out_of_the_folder_are_refused_and_links_within_are_followed(
    two_classes: Path, tmp_path: Path, draw: Draw
) -> None:
    secret = draw(tmp_path / "elsewhere" / "secret.png", 99)
    (two_classes / "crack" / "leak.png").symlink_to(secret)
    (two_classes / "crack" / "nothing.png").symlink_to(tmp_path / "nowhere.png")
    (two_classes / "crack" / "loop").symlink_to(two_classes / "crack")
    (two_classes / "crack" / "folder").symlink_to(secret.parent)
    (two_classes / "class_elsewhere").symlink_to(secret.parent)
    kept = draw(two_classes / ".store" / "1.png", 60)
    (two_classes / "pit" / "linked.png").symlink_to(kept)
    found = read(two_classes)
    assert {row["path"]: row["reason"] for row in found.quarantine.to_pylist()} == {
        "class_elsewhere": "outside_root",
        "crack/folder": "outside_root",
        "crack/leak.png": "outside_root",
        "crack/loop": "unsupported",
        "crack/nothing.png": "missing",
    }
    assert ("pit/linked.png", "pit", None) in rows(found)


def test_a_file_name_that_is_no_text_is_quarantined(two_classes: Path, encoded: Callable[..., bytes]) -> None:
    with open(os.fsencode(two_classes / "crack") + b"/caf\xe9.png", "wb") as file:  # noqa: PTH123 (bytes, not text)
        file.write(encoded(30))
    (row,) = read(two_classes).quarantine.to_pylist()
    assert (row["reason"], row["path"]) == ("bad_name", "crack/caf\ufffd.png")
