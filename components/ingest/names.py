"""Words for classes: a text encoder knows "black footed albatross", not `001.Black_footed_Albatross`."""

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserInputError
from components.ingest.sources import Note, normalised
from components.ingest.table_files import columns_of, read_table

__all__ = ["ClassName", "name_classes", "read_class_names", "words_of"]

_NUMBER_BEFORE = re.compile(r"^(?:n\d{8}|\d+)[\s._-]+(?=.*[^\W\d_])")  # `001.`, `3_`, WordNet's `n02085620-`
_CAMEL_CASE = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[A-Z])(?=[A-Z][a-z]{2})")
_SEPARATORS = re.compile(r"[\s_\-]+|(?<!\d)\.|\.(?!\d)")


@dataclass(frozen=True)
class ClassName:
    """The words for a class.

    Attributes:
        name: the words.
        description: a sentence about it, or None.
        named_by: where the words come from: `classes.csv`, `list` (a CoOp split file) or `folder`.
    """

    name: str
    description: str | None
    named_by: str


def words_of(folder: str) -> str:
    """Words from a folder's name.

    A number in front, underscores, dashes and dots go; CamelCase is taken apart; Capitalised words become lower case
    and abbreviations stay; any script and emoji stay as they are. A name without words stays as it is.

    >>> words_of("001.Black_footed_Albatross"), words_of("PCBCrack"), words_of("缺陷"), words_of("cls_03")
    ('black footed albatross', 'PCB crack', '缺陷', 'cls 03')
    """
    text = _NUMBER_BEFORE.sub("", normalised(folder).strip())
    text = _SEPARATORS.sub(" ", _CAMEL_CASE.sub(" ", text))
    words = [word.lower() if word[1:] == word[1:].lower() and len(word) > 1 else word for word in text.split()]
    return " ".join(words) or folder


def name_classes(
    classes: Iterable[str], *, from_list: Mapping[str, str], class_names: Path | None, beside: Path
) -> tuple[dict[str, ClassName], list[Note]]:
    """Words for every class: from classes.csv, else from the list of photos, else from the folder's name.

    Args:
        classes: the classes that have photos.
        from_list: names that the list of photos gives.
        class_names: a classes.csv; one with a header and no rows names nothing.
        beside: a classes.csv that may lie beside the photos; used if `class_names` names nothing, and ignored if it has
            other columns: a data set may carry such a file for its own purposes.

    Returns:
        The names by class, sorted, and notes on names that fit no class.

    Raises:
        UserInputError: `class_names` cannot be read, or names none of the classes.
    """
    known = sorted(classes)
    notes: list[Note] = []
    given = read_class_names(class_names) if class_names else {}
    if given:
        notes += _unknown_folders(given, known, str(class_names))
    elif beside.is_file():
        try:
            given = read_class_names(beside)
        except UserInputError as error:
            notes.append(Note("classes_csv_not_used", f"{beside.name} beside the photos is not used: {error.what}"))
    named = {}
    for label in known:
        name, description = given.get(label, ("", None))
        if name:
            named[label] = ClassName(name, description, "classes.csv")
        elif label in from_list:
            named[label] = ClassName(from_list[label], description, "list")
        else:
            named[label] = ClassName(words_of(label), description, "folder")
    return named, notes + _doubtful(named)


def read_class_names(path: Path) -> dict[str, tuple[str, str | None]]:
    """The rows of a classes.csv: folder -> (name, description); other columns are ignored.

    Raises:
        UserInputError: no file, not UTF-8, without the columns, with a broken row, or with a folder named twice.
    """
    remedy = "write a CSV in UTF-8 with the columns folder,name and, if you like, description"
    columns = columns_of(path, _is_header)
    folder_column = "folder" if "folder" in columns else "class"
    if not _is_header(columns):
        raise UserInputError(
            f"its columns are {', '.join(columns) or 'missing'}, without folder and name", on=str(path), remedy=remedy
        )
    named: dict[str, tuple[str, str | None]] = {}
    for number, row in read_table(path, _is_header, (folder_column,), ("name", "description")).rows:
        folder = normalised(row[folder_column])
        if not folder:
            continue
        if folder in named:
            raise UserInputError(f"row {number} names the folder {folder} again", on=str(path), remedy="keep one row")
        named[folder] = (normalised(row["name"]), row.get("description") or None)
    return named


def _is_header(columns: Sequence[str]) -> bool:
    return "name" in columns and ("folder" in columns or "class" in columns)


def _unknown_folders(given: Mapping[str, object], known: list[str], path: str) -> list[Note]:
    unknown = [folder for folder in given if folder not in known]
    if len(unknown) == len(given):
        raise UserInputError(
            f"it names {', '.join(unknown[:3])}{', ...' if len(unknown) > 3 else ''}, but there is no such class",
            on=path,
            remedy=f"write the folders as they are called: {', '.join(known[:3])}{', ...' if len(known) > 3 else ''}",
        )
    notes = []
    for folder in unknown:
        close = difflib.get_close_matches(folder, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "remove the row, or add photos"
        notes.append(Note("unknown_folder", f"classes.csv names the folder {folder}, which has no photos; {hint}"))
    return notes


def _doubtful(named: Mapping[str, ClassName]) -> list[Note]:
    notes = []
    by_name: dict[str, list[str]] = defaultdict(list)
    for label, found in named.items():
        by_name[found.name.casefold()].append(label)
        if not any(letter.isalpha() for letter in found.name) and found.name.isascii():
            notes.append(
                Note("wordless_name", f"class {label} has no word a text encoder could know; name it in classes.csv")
            )
    for name, labels in by_name.items():
        if len(labels) > 1:
            notes.append(
                Note("same_name", f"{' and '.join(labels)} are all called {name!r}; tell them apart in classes.csv")
            )
    return notes
