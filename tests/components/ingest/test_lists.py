"""Lists of photos and names of classes as people really write them: read as they are meant, or refused with the row."""

import codecs
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.errors import UserInputError
from components.ingest import Ingested, IngestSettings, check_placed, ingest, plan_placement

PLAIN = "path,class\ncrack/0.png,Riss\ncrack/1.png,Riss\npit/0.png,Loch\npit/1.png,Loch\n"
LABELS = {"crack/0.png": "Riss", "crack/1.png": "Riss", "pit/0.png": "Loch", "pit/1.png": "Loch"}


def read(root: Path, class_names: Path | None = None) -> Ingested:
    return ingest(root, settings=IngestSettings(), class_names=class_names)


def labels(found: Ingested) -> dict[str, str]:
    return dict(zip(found.manifest["path"].to_pylist(), found.manifest["class"].to_pylist(), strict=True))


READ: dict[str, tuple[str, bytes]] = {
    "a separator line": ("photos.csv", f"sep=,\n{PLAIN}".encode()),
    "a quoted separator line": ("photos.csv", f'"sep=,"\r\n{PLAIN}'.encode()),
    "a separator line that decides": ("photos.csv", b"sep=;\n" + PLAIN.replace(",", ";").encode()),
    "a title line": ("labels.csv", f"Photos of May\n{PLAIN}".encode()),
    "a title and an empty line": ("labels.csv", f"Photos of May,\n\n{PLAIN}".encode()),
    "UTF-16 with a mark": ("photos.csv", PLAIN.encode("utf-16")),
    "UTF-16, the other order": ("photos.csv", codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be")),
    "UTF-16 without a mark": ("photos.csv", PLAIN.encode("utf-16-le")),
    "UTF-16 with tabs": ("photos.csv", PLAIN.replace(",", "\t").encode("utf-16")),
    "UTF-32": ("photos.csv", PLAIN.encode("utf-32")),
    "UTF-8 with a mark": ("photos.csv", PLAIN.encode("utf-8-sig")),
    "carriage returns alone": ("manifest.csv", PLAIN.replace("\n", "\r").encode()),
    "all ends of lines": (
        "manifest.csv",
        PLAIN.replace("\n", "\r\n", 2).replace("0.png,Loch\n", "0.png,Loch\r").encode(),
    ),
    "no end of the last line": ("manifest.csv", PLAIN.rstrip().encode()),
    "empty lines": ("manifest.csv", PLAIN.replace("\n", "\n\n").encode()),
    "lines of commas": ("manifest.csv", f"{PLAIN},\n,\n".encode()),
    "trailing commas": ("manifest.csv", PLAIN.replace("\n", ",,\n").encode()),
    "trailing commas in rows alone": ("manifest.csv", PLAIN.replace("Riss\n", "Riss,,\n").encode()),
    "semicolons": ("manifest.csv", PLAIN.replace(",", ";").encode()),
    "tabs": ("manifest.csv", PLAIN.replace(",", "\t").encode()),
    "bars": ("manifest.csv", PLAIN.replace(",", "|").encode()),
    "a TSV": ("photos.tsv", PLAIN.replace(",", "\t").encode()),
    "a suffix in capitals": ("MANIFEST.CSV", PLAIN.encode()),
    "spaces and capitals in the header": ("photos.csv", PLAIN.replace("path,class", " Path , CLASS ").encode()),
    "a header with a non-breaking space": ("photos.csv", PLAIN.replace("class", "class\xa0").encode()),
    "quotes": ("photos.csv", PLAIN.replace("Riss", '"Riss"').replace("path", '"path"').encode()),
    "quotes behind spaces": ("photos.csv", PLAIN.replace(",", ', "').replace("\n", '"\n').encode()),
    "a line break in a note": (
        "photos.csv",
        PLAIN.replace("class", "class,note", 1)
        .replace("Riss\n", 'Riss,"seen\non Tuesday"\n')
        .replace("Loch\n", "Loch,\n")
        .encode(),
    ),
    "rows without the last cell": ("photos.csv", PLAIN.replace("class", "class,note", 1).encode()),
    "backslashes": ("photos.csv", PLAIN.replace("/", "\\").encode()),
    "a long note": (
        "photos.csv",
        PLAIN.replace("class\n", "class,note\n").replace("Riss\n", f"Riss,{'x' * 99_000}\n").encode(),
    ),
}


@pytest.mark.parametrize("kind", READ)
def test_a_list_is_read_as_it_is_meant(kind: str, two_classes: Path) -> None:
    name, content = READ[kind]
    (two_classes / name).write_bytes(content)
    found = read(two_classes)
    assert found.layout == "manifest"
    assert labels(found) == LABELS


def rows(*lines: str) -> bytes:
    return "".join(f"{line}\n" for line in ("path,class", *lines)).encode()


TAIL = [f"pit/{number}.png,pit" for number in range(20_000)]
REFUSED: dict[str, tuple[str, bytes, str]] = {
    "an unquoted comma": (
        "manifest.csv",
        rows("crack/0.png,Tomato, late blight"),
        "row 2 has 3 cells, but there are 2",
    ),
    "an unquoted comma further down": ("list.csv", rows("crack/0.png,a", "pit/0.png,b,c"), "row 3 has 3 cells"),
    **{
        f"a quote never closed, {behind} rows behind": (
            "manifest.csv",
            rows("crack/0.png,a", 'crack/1.png,"b', *TAIL[:behind]),
            "in row 3 a quote is opened",
        )
        for behind in (0, 1, 6, 20, 20_000)
    },
    "a quote never closed before one that is": ("m.csv", rows('crack/0.png,"a', 'crack/1.png,"b"'), "in row 2 a quote"),
    "a quote closed rows later": ("m.csv", rows('crack/0.png,"a', "crack/1.png,b", 'pit/0.png,b"'), "in row 2 a quote"),
    "a quote never closed in a note": (
        "m.csv",
        b'path,class,note\ncrack/0.png,a,"seen\npit/0.png,b,\npit/1.png,b,"ok"\n',
        "in row 2 a quote",
    ),
    "letters behind a quote": ("m.csv", rows('crack/0.png,"a"b'), "in row 2 a quote"),
    "a line break in a class": ("m.csv", rows('crack/0.png,"a', 'b"'), "row 2 has a line break"),
    "a row too short": ("m.csv", rows("crack/0.png,a", "pit/0.png"), "row 3 has 1 cell, so it has no class"),
    "no class after empty lines": ("m.csv", rows("crack/0.png,a", "", "pit/0.png,"), "row 4 has an empty class"),
    "two columns class": ("m.csv", b"path,class,Class\ncrack/0.png,a,b\n", "2 columns are called class"),
    "Latin-1": ("manifest.csv", "path,class\ncrack/0.png,Käfer\n".encode("latin-1"), "not UTF-8, first in row 2"),
    "zeros": ("manifest.csv", rows("crack/0.png,a", "pit/0.png,b\0\0"), "row 3 holds zeros"),
    "half of it zeros": ("manifest.csv", rows("crack/0.png,a") + bytes(5), "holds zeros"),
    "an empty file": ("manifest.csv", b"", "no column path"),
    "no header": ("manifest.csv", b"crack/0.png,a\npit/0.png,b\n", "it has crack/0.png, a"),
    "a header alone": ("m.csv", b"path,class\r\n", "no rows"),
    "a cell of 200,000 letters": ("m.csv", rows(f'crack/0.png,"{"x" * 200_000}"'), "in row 2"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_broken_list_is_refused_with_its_row(kind: str, two_classes: Path) -> None:
    name, content, what = REFUSED[kind]
    (two_classes / name).write_bytes(content)
    with pytest.raises(UserInputError) as caught:
        read(two_classes)
    assert what in caught.value.what
    assert name in caught.value.on
    assert caught.value.remedy


UNRELATED = {
    "prices": ("prices.csv", b"product,price\nbolt,3\n"),
    "carriage returns alone": ("notes.csv", b"when,who\rTuesday,Ada\rFriday,Bob\r"),
    "a quote never closed": ("notes.csv", b'when,who\nTuesday,"Ada\nFriday,Bob\n'),
    "letters of one byte": ("notes.csv", "when,who\nTuesday,Käthe\n".encode("latin-1")),
    "no text at all": ("notes.csv", bytes(range(256)) * 20),
    "an empty file": ("notes.csv", b""),
    "one word": ("notes.csv", b"hello"),
    "a text": (
        "README.txt",
        b"These photos show cracks.\nThe cover is crack/0.png\nThanks to all.\n\nAda\nBob\nEve\nKai\n",
    ),
    "settings": ("config.json", b'{"size": 3}'),
    "what a system left": ("._photos.csv", b"\0\5\x16\7path,class\n"),
    "a class list": ("classes.csv", b"folder,name\ncrack,Riss\n"),
}


@pytest.mark.parametrize("kind", UNRELATED)
def test_an_unrelated_file_beside_class_folders_is_passed_over(kind: str, two_classes: Path) -> None:
    name, content = UNRELATED[kind]
    (two_classes / name).write_bytes(content)
    found = read(two_classes)
    assert found.layout == "folders"
    assert found.notes == ()


DOUBTFUL: dict[str, tuple[str, bytes, str]] = {
    "other columns": ("photos.csv", PLAIN.replace("path,class", "filename,label").encode(), "filename, label"),
    "no header": ("photos.csv", PLAIN.partition("\n")[2].encode(), "names the columns path and class"),
    "a title of twelve lines": ("photos.csv", ("# about\n" * 12 + PLAIN).encode(), "names the columns path and class"),
    "Latin-1": ("labels.csv", PLAIN.replace("Riss", "Käfer").encode("latin-1"), "not UTF-8"),
    "zeros": ("labels.csv", PLAIN.encode() + bytes(9), "holds zeros"),
    "packed": ("photos.csv.gz", gzip.compress(PLAIN.encode()), "it is packed"),
    "a sheet": ("labels.xlsx", b"PK\3\4", ".xlsx is not read here"),
    "lines of JSON": (
        "metadata.jsonl",
        b"".join(json.dumps({"file_name": path, "label": label}).encode() + b"\n" for path, label in LABELS.items()),
        ".jsonl is not read here",
    ),
    "a text": ("train.txt", b"".join(f"{path} 0\n".encode() for path in LABELS), ".txt is not read here"),
}


@pytest.mark.parametrize("kind", DOUBTFUL)
def test_what_looks_like_a_list_beside_class_folders_is_told(kind: str, two_classes: Path) -> None:
    name, content, why = DOUBTFUL[kind]
    (two_classes / name).write_bytes(content)
    found = read(two_classes)
    assert found.layout == "folders"
    (note,) = found.notes
    assert note.code == "list_not_taken"
    assert note.message.startswith(f"{name} looks like a list of photos")
    assert why in note.message
    assert not ingest(two_classes, settings=IngestSettings(listing="folders")).notes  # somebody chose


def parquet(path: Path, names: dict[str, Any]) -> None:
    pq.write_table(pa.table(names), path)


@pytest.mark.parametrize(
    ("header", "labels_of"),
    [
        (("path", "class"), lambda values: values),
        (("Path", "Class"), lambda values: values),
        ((" PATH ", "class "), lambda values: values),
        (("path", "class"), lambda values: pa.array(values).dictionary_encode()),
        (("path", "class"), lambda values: pa.array(values, pa.large_string())),
        (("path", "class"), lambda values: pa.array([f"  {value} " for value in values])),
    ],
    ids=["plain", "capitals", "spaces", "categories", "large", "spaces in cells"],
)
@pytest.mark.parametrize("name", ["manifest.parquet", "photos.parquet"])
def test_parquet_follows_the_rules_of_csv(
    header: tuple[str, str], labels_of: Callable[[list[str]], Any], name: str, two_classes: Path
) -> None:
    parquet(two_classes / name, {header[0]: list(LABELS), header[1]: labels_of(list(LABELS.values()))})
    assert labels(read(two_classes)) == LABELS


def test_whole_numbers_are_classes_in_both(two_classes: Path) -> None:
    parquet(two_classes / "m.parquet", {"path": list(LABELS), "class": [0, 0, 1, 1]})
    numbers = labels(read(two_classes))
    (two_classes / "m.parquet").unlink()
    (two_classes / "m.csv").write_text(PLAIN.replace("Riss", "0").replace("Loch", "1"))
    assert labels(read(two_classes)) == numbers


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([b"a", b"a", b"b", b"b"], "the column class holds binary, not text"),
        ([["a"], ["a"], ["b"], ["b"]], "the column class holds list"),
        ([{"x": 1}] * 4, "the column class holds struct"),
        ([1.0, 1.0, 2.0, 2.0], "the column class holds double"),
        ([True, True, False, False], "the column class holds bool"),
        (pa.array([0, 0, 1, 1], pa.timestamp("s")), "the column class holds timestamp"),
        (["a", None, "b", "b"], "row 2 has an empty class"),
        ([None] * 4, "row 1 has an empty class"),
        (["a", " ", "b", "b"], "row 2 has an empty class"),
        (["a", "a\nb", "b", "b"], "row 2 has a line break"),
    ],
    ids=["binary", "list", "struct", "float", "bool", "timestamp", "null", "all null", "blank", "line break"],
)
def test_a_parquet_label_that_is_no_text_is_told(values: Any, what: str, two_classes: Path) -> None:
    parquet(two_classes / "manifest.parquet", {"path": list(LABELS), "class": values})
    with pytest.raises(UserInputError) as caught:
        read(two_classes)
    assert what in caught.value.what


def test_a_parquet_file_with_a_column_twice_is_told(two_classes: Path) -> None:
    parquet(two_classes / "manifest.parquet", {"path": list(LABELS), "class": list("aabb"), "Class": list("aabb")})
    with pytest.raises(UserInputError, match="2 columns are called class"):
        read(two_classes)


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_a_split_may_be_written_in_any_case(name: str, two_classes: Path) -> None:
    splits = [" Train", "TEST ", "train", "test"]
    if name.endswith("csv"):
        lines = [f"{path},{label},{split}" for (path, label), split in zip(LABELS.items(), splits, strict=True)]
        (two_classes / name).write_text("\n".join(["path,class,split", *lines]))
    else:
        parquet(two_classes / name, {"path": list(LABELS), "class": list(LABELS.values()), "split": splits})
    assert set(read(two_classes).manifest["split"].to_pylist()) == {"train", "test"}


NAMES = "folder,name,description\ncrack,Riss,a hairline\npit,Loch,\n"


@pytest.mark.parametrize(
    "content",
    [
        NAMES.encode("utf-16"),
        NAMES.encode("utf-8-sig"),
        NAMES.replace("\n", "\r").encode(),
        NAMES.replace(",", "\t").encode(),
        f"sep=,\n{NAMES}".encode(),
        f"Our classes\n\n{NAMES}".encode(),
        NAMES.replace("folder,name", " Folder , NAME").encode(),
        NAMES.replace("\n", ",,\n").encode(),
        NAMES.replace("Loch,", "Loch").encode(),
    ],
    ids=["UTF-16", "mark", "CR", "tabs", "sep", "title", "capitals", "trailing", "short"],
)
def test_classes_csv_is_read_as_lists_are(content: bytes, two_classes: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_bytes(content)
    found = read(two_classes, tmp_path / "classes.csv").classes.to_pylist()
    assert {row["class"]: row["name"] for row in found} == {"crack": "Riss", "pit": "Loch"}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("folder,name\ncrack,Tomato, late blight\n", "row 2 has 3 cells, but there are 2"),
        ('folder,name\ncrack,"Riss\npit,Loch\n', "in row 2 a quote is opened"),
        ("folder,name\n" + 'crack,"Riss\n' + "pit,Loch\n" * 20_000, "in row 2 a quote is opened"),
        ("folder,name,name\ncrack,a,b\n", "2 columns are called name"),
    ],
)
def test_a_broken_classes_csv_is_refused_with_its_row(text: str, what: str, two_classes: Path, tmp_path: Path) -> None:
    (tmp_path / "classes.csv").write_text(text)
    with pytest.raises(UserInputError) as caught:
        read(two_classes, tmp_path / "classes.csv")
    assert what in caught.value.what


@pytest.mark.parametrize(
    ("name", "content"),
    [(name, content) for kind, (name, content) in READ.items() if kind not in ("lines of commas", "empty lines")],
    ids=[kind for kind in READ if kind not in ("lines of commas", "empty lines")],
)
def test_rows_are_added_in_the_lists_own_form(
    name: str, content: bytes, two_classes: Path, tmp_path: Path, draw: Callable[..., Path]
) -> None:
    (two_classes / name).write_bytes(content)
    photo = draw(tmp_path / "more" / "new.png", 99)
    placement = plan_placement(two_classes, {"Stück; 1, 2": [photo]}, "auto")
    assert placement.list_name == name
    (two_classes / name).write_bytes(placement.list_content)
    for path, file in placement.files.items():
        (two_classes / path).parent.mkdir(parents=True, exist_ok=True)
        (two_classes / path).write_bytes(file.read_bytes())
    check_placed(two_classes, placement, "auto")
    assert labels(read(two_classes)) == {**LABELS, next(iter(placement.files)): "Stück; 1, 2"}
