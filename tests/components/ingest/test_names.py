"""Words for classes."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.errors import UserInputError
from components.ingest import Ingested, IngestSettings, ingest, words_of


@pytest.mark.parametrize(
    ("folder", "words"),
    [
        ("001.Black_footed_Albatross", "black footed albatross"),
        ("Golden-Delicious", "golden delicious"),
        ("rolled-in_scale", "rolled in scale"),
        ("n02085620-Chihuahua", "chihuahua"),
        ("pittedSurface", "pitted surface"),
        ("PCBCrack", "PCB crack"),
        ("USB_port", "USB port"),
        ("3_scratch", "scratch"),
        ("2 euro coin", "euro coin"),
        ("7up", "7up"),
        ("cls_03", "cls 03"),
        ("42", "42"),
        ("_hidden_", "hidden"),
        ("v1.5 nozzle", "v1.5 nozzle"),
        ("St.Bernard", "st bernard"),
        ("A", "A"),
        ("缺陷", "缺陷"),
        ("划痕_深", "划痕 深"),
        ("🔩", "🔩"),
        ("fissé", "fissé"),
        ("---", "---"),
    ],
)
def test_words_from_folders(folder: str, words: str) -> None:
    assert words_of(folder) == words


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(min_size=1, max_size=30).filter(str.strip))
def test_every_name_gives_words_without_separators(folder: str) -> None:
    words = words_of(folder)
    assert words.strip()
    assert words == folder or not set(words) & set("_-")


def named(root: Path, text: str | None = None) -> Ingested:
    class_names = None
    if text is not None:
        class_names = root.parent / "classes.csv"
        class_names.write_text(text)
    return ingest(root, settings=IngestSettings(), class_names=class_names)


def names(found: Ingested) -> dict[str, tuple[str, str | None, str]]:
    return {row["class"]: (row["name"], row["description"], row["named_by"]) for row in found.classes.to_pylist()}


def test_classes_csv_names_folders(two_classes: Path) -> None:
    found = named(two_classes, "folder,name,description,owner\ncrack,Haarriss,a hairline crack,Ada\n")
    assert names(found) == {"crack": ("Haarriss", "a hairline crack", "classes.csv"), "pit": ("pit", None, "folder")}
    assert set(zip(found.manifest["class"].to_pylist(), found.manifest["name"].to_pylist(), strict=True)) == {
        ("crack", "Haarriss"),
        ("pit", "pit"),
    }


def test_an_empty_classes_csv_names_nothing(two_classes: Path) -> None:
    found = named(two_classes, "folder,name,description\n")
    assert {by for _, _, by in names(found).values()} == {"folder"}
    assert found.notes == ()


def test_a_classes_csv_beside_the_photos_is_used_where_none_is_given(two_classes: Path) -> None:
    (two_classes / "classes.csv").write_text("class,name,price\ncrack,surface crack,3\nrust,rust,4\n")
    assert names(named(two_classes))["crack"] == ("surface crack", None, "classes.csv")
    assert names(named(two_classes, "folder,name\ncrack,fissure\n"))["crack"][0] == "fissure"
    (two_classes / "classes.csv").write_text("number,price\n1,3\n")
    found = named(two_classes)
    assert names(found)["crack"] == ("crack", None, "folder")
    assert [note.code for note in found.notes] == ["classes_csv_not_used"]


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("folder,name\ncrack,a\ncrakc,b\n", "unknown_folder", "did you mean crack?"),
        ("folder,name\ncrack,a\nvelvet,b\n", "unknown_folder", "remove the row, or add photos"),
        ("folder,name\ncrack,hole\npit,Hole\n", "same_name", "crack and pit are all called 'hole'"),
        ("folder,name\ncrack,42\n", "wordless_name", "class crack has no word"),
    ],
)
def test_doubtful_names_are_told(two_classes: Path, text: str, code: str, said: str) -> None:
    (note,) = named(two_classes, text).notes
    assert note.code == code
    assert said in note.message


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("folder,name\nRiss,crack\nLoch,pit\n", "it names Riss, Loch, but there is no such class"),
        ("Ordner,Name\ncrack,x\n", "its columns are ordner, name, without folder and name"),
        ("", "its columns are missing"),
        ("folder,name\ncrack,x\ncrack,y\n", "row 3 names the folder crack again"),
    ],
)
def test_a_classes_csv_that_cannot_be_used_is_refused(two_classes: Path, text: str, what: str) -> None:
    with pytest.raises(UserInputError) as caught:
        named(two_classes, text)
    assert what in caught.value.what
    assert caught.value.on.endswith("classes.csv")


def test_a_classes_csv_that_is_not_there_or_not_text_is_refused(two_classes: Path, tmp_path: Path) -> None:
    missing = tmp_path / "classes.csv"
    with pytest.raises(UserInputError, match="No such file"):
        ingest(two_classes, settings=IngestSettings(), class_names=missing)
    missing.write_bytes(b"folder,name\ncrack,\xe4\n")
    with pytest.raises(UserInputError, match="not UTF-8"):
        ingest(two_classes, settings=IngestSettings(), class_names=missing)
