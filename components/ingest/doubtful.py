"""Notes on files beside class folders that look like a list of photos but are not used as one."""

import re
from pathlib import Path

from components.errors import UserInputError
from components.ingest.decode import EXTENSIONS
from components.ingest.sources import Note, is_passed_over
from components.ingest.table_files import TEXT_SUFFIXES, columns_of, decoded

__all__ = ["doubtful"]

_LOOKED_AT_BYTES = 64_000
_OTHER_TEXT = (".txt", ".lst", ".json", ".jsonl", ".ndjson", ".xml", ".yaml", ".yml", ".psv")
_PACKED = re.compile(r".*\.(?:csv|tsv|parquet)\.(?:gz|bz2|xz|zst|zip)", re.IGNORECASE)
_SHEETS = (".xlsx", ".xls", ".ods", ".numbers", ".feather", ".arrow", ".orc", ".avro")
_CALLED_LIKE_A_LIST = re.compile(
    r".*(?:manifest|labels?|photos?|images?|list|classes|annotations?|split|train|test|metadata).*", re.IGNORECASE
)
_PHOTO = re.compile(rf"[^\s,;|\"'<>]+(?:{'|'.join(re.escape(each) for each in sorted(EXTENSIONS))})\b", re.IGNORECASE)
_PATHS = {"path", "file", "filename", "file_name", "filepath", "file_path", "image", "image_path", "photo", "img"}
_CLASSES = {"class", "label", "labels", "category", "class_name", "classname", "target", "species"}
_TAKEN = (
    "a list is a CSV, TSV or Parquet file with the columns path and class; ingest.listing: folders says that none is"
)


def doubtful(root: Path) -> list[Note]:
    """A note on each file in the root that looks like a list of photos but cannot be read as one."""
    notes = []
    for path in sorted(root.iterdir()):
        if is_passed_over(path.name) or path.name.lower() == "classes.csv" or not path.is_file():
            continue
        why = _why_not(path)
        if why:
            notes.append(
                Note("list_not_taken", f"{path.name} looks like a list of photos but is not taken: {why}; {_TAKEN}")
            )
    return notes


def _why_not(path: Path) -> str | None:
    """Why a file that looks like a list is none; None if it does not look like one."""
    suffix = path.suffix.lower()
    if _PACKED.fullmatch(path.name):
        return "it is packed"
    if suffix in _SHEETS:
        return f"{suffix} is not read here" if _CALLED_LIKE_A_LIST.fullmatch(path.stem) else None
    if suffix == ".parquet":
        return _why_no_columns(path)
    if suffix not in (*TEXT_SUFFIXES, *_OTHER_TEXT):
        return None
    try:
        with path.open("rb") as file:
            content = file.read(_LOOKED_AT_BYTES)
    except OSError as error:
        return f"it cannot be read ({error.strerror})" if suffix in TEXT_SUFFIXES else None
    try:
        text, problem = decoded(content, path, cut=len(content) == _LOOKED_AT_BYTES)[0], None
    except UserInputError as error:
        text, problem = content.replace(b"\0", b"").decode("latin-1"), error.what
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()][:200]
    with_photo = [line for line in lines if _PHOTO.search(line)]
    if suffix in _OTHER_TEXT:
        # a text that only mentions a photo is no list
        return f"{suffix} is not read here" if len(with_photo) >= max(2, len(lines) // 4) else None
    if not with_photo:
        return _why_no_columns(path) if problem is None else None
    return problem or _why_no_columns(path) or "none of its first rows names the columns path and class"


def _why_no_columns(path: Path) -> str | None:
    try:
        columns = columns_of(path, lambda names: {"path", "class"} <= set(names))
    except UserInputError as error:
        return error.what if _CALLED_LIKE_A_LIST.fullmatch(path.stem) else None
    if _PATHS & set(columns) and (_CLASSES & set(columns)):
        return f"its columns are {', '.join(columns[:6])}"
    return None
