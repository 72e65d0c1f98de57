"""Lists of photos: a manifest (CSV or Parquet; path, class, optional split) or a CoOp split file (JSON)."""

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from components.errors import UserInputError
from components.ingest.doubtful import doubtful
from components.ingest.sources import SPLIT_OF_FOLDER, Entry, Listing, is_passed_over, normalised, read_folders
from components.ingest.table_files import Table, columns_of, is_table, read_table

__all__ = ["coop_base", "find_listing", "listing_path", "read_manifest_table", "read_source"]

_COOP_PATTERN = "split_*.json"


def read_source(root: Path, listing: str) -> Listing:
    """The photos that a photo folder names, by the list or the folders that `listing` chooses.

    Args:
        root: the photo folder, resolved.
        listing: `auto`, `folders`, or the name of a list in the root.

    Raises:
        UserInputError: the layout cannot be read, or in more than one way.
    """
    path = listing_path(root, listing)
    if path is None:
        _root_files(root)  # raises if it may not be read
        found = read_folders(root)
        found.notes += doubtful(root) if listing == "auto" else []
        return found
    return _read_coop(root, path) if path.suffix.lower() == ".json" else _read_manifest(root, path)


def listing_path(root: Path, listing: str) -> Path | None:
    """The list that `listing` chooses, None for the folders; raises as `read_source` does."""
    if listing == "folders":
        return None
    path = find_listing(root) if listing == "auto" else root / listing
    if path is not None and not (path.is_file() and path.resolve().is_relative_to(root)):
        raise UserInputError(
            f"params.yaml: ingest.listing is {listing!r}, which is no file in the photo folder",
            on=str(root),
            remedy="use auto, folders, or the name of a CSV, Parquet or CoOp JSON file there",
        )
    return path


def find_listing(root: Path) -> Path | None:
    """The only list of photos in the root, or None.

    Any CSV, TSV or Parquet file with the columns `path` and `class` is one; so is a file called `manifest`, with any
    columns, and a CoOp split file. See `doubtful` for files that only look like one.

    Raises:
        UserInputError: there are several.
    """
    files = _root_files(root)
    lists = [path for path in files if path.match(_COOP_PATTERN)]
    lists += [
        path for path in files if is_table(path) and (path.stem.lower() == "manifest" or _has_manifest_columns(path))
    ]
    if len(lists) > 1:
        raise UserInputError(
            f"there are {len(lists)} lists of photos: {', '.join(path.name for path in lists)}",
            on=str(root),
            remedy="name the one to use in params.yaml (ingest.listing), or write folders there to use none",
        )
    return lists[0] if lists else None


def _root_files(root: Path) -> list[Path]:
    try:
        return [path for path in sorted(root.iterdir()) if not is_passed_over(path.name) and path.is_file()]
    except OSError as error:
        raise UserInputError(
            f"the folder cannot be listed ({error.strerror})", on=str(root), remedy="let yourself read it"
        ) from None


def _is_header(columns: Sequence[str]) -> bool:
    return {"path", "class"} <= set(columns)


def _has_manifest_columns(path: Path) -> bool:
    try:
        return _is_header(columns_of(path, _is_header))
    except UserInputError:
        return False  # a table that is not ours need not be readable


def read_manifest_table(path: Path) -> Table:
    """A manifest's rows; raises as `read_table` does."""
    return read_table(path, _is_header, ("path", "class"), ("split",))


def _read_manifest(root: Path, path: Path) -> Listing:
    columns = columns_of(path, _is_header)
    _require_columns(path, list(columns))
    listing = Listing("manifest")
    for number, row in read_manifest_table(path).rows:
        listing.entries.append(_manifest_entry(root, path, number, row))
    if not listing.entries:
        raise UserInputError("the manifest has no rows", on=str(path), remedy="add one row per photo: path,class")
    _check_all_or_no_splits(path, listing.entries)
    _check_some_exist(root, path, listing.entries)
    return listing


def _manifest_entry(root: Path, manifest: Path, number: int, row: dict[str, str]) -> Entry:
    given, label, split = row["path"], row["class"], row.get("split", "")
    for column, value in (("path", given), ("class", label)):
        if not value:
            raise UserInputError(
                f"the manifest's row {number} has an empty {column}",
                on=str(manifest),
                remedy="fill it in, or remove the row",
            )
    if split and split.lower() not in SPLIT_OF_FOLDER:
        raise UserInputError(
            f"the manifest's row {number} has the split {split!r}",
            on=str(manifest),
            remedy="use train, val or test, or leave out the column",
        )
    return Entry(
        _inside(root, given, manifest, f"row {number}"),
        normalised(label),
        SPLIT_OF_FOLDER[split.lower()] if split else None,
    )


def _check_all_or_no_splits(manifest: Path, entries: list[Entry]) -> None:
    without = [entry for entry in entries if entry.split is None]
    if without and len(without) < len(entries):
        raise UserInputError(
            f"{len(without)} of the manifest's {len(entries)} rows have no split, the first is {without[0].path}",
            on=str(manifest),
            remedy="give every row a split, or leave out the column",
        )


def _check_some_exist(root: Path, listed_in: Path, entries: list[Entry]) -> None:
    if not any(_exists(root / entry.path) for entry in entries):
        raise UserInputError(
            f"none of the {len(entries)} photos listed is there, the first is {entries[0].path}",
            on=str(listed_in),
            remedy="write paths relative to the folder that the list lies in, and put the photos there",
        )


def _inside(root: Path, given: str, listed_in: Path, where: str) -> str:
    """The listed path, relative to the root; refused if its text alone leads out of the root."""
    # Lists written on Windows separate with backslashes; in a name beside slashes a backslash is just a letter.
    given = given.replace("\\", "/") if "/" not in given else given
    if "\0" in given or Path(given).is_absolute() or given[1:3] == ":/":
        clean = None
    else:
        clean = os.path.normpath(given)
    if clean is None or clean == "." or clean.split("/")[0] == "..":
        raise UserInputError(
            f"{where} names {given!r}, which leads out of the photo folder",
            on=str(listed_in),
            remedy="write paths relative to the folder that the list lies in, without ..",
        )
    return clean


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _require_columns(path: Path, columns: list[str]) -> None:
    missing = [name for name in ("path", "class") if name not in columns]
    if missing:
        raise UserInputError(
            f"the manifest has no column {' and no column '.join(missing)}; it has {', '.join(columns) or 'none'}",
            on=str(path),
            remedy="name the columns path, class and, if there are splits, split",
        )


def _read_coop(root: Path, path: Path) -> Listing:
    rows = _coop_rows(path)
    base = _coop_base(root, path, [given for _, given, _, _ in rows])
    folders: dict[int, set[str]] = defaultdict(set)
    labels_of: dict[str, set[int]] = defaultdict(set)
    names: dict[int, str] = {}
    entries: list[tuple[str, int, str]] = []
    for split, given, label, name in rows:
        inside = _inside(root, f"{base}/{given}" if base else given, path, f"the list {split}")
        if base and PurePosixPath(inside).parts[0] != base:
            _inside(root, "..", path, f"the list {split}")
        if names.setdefault(label, name) != name:
            raise UserInputError(
                f"label {label} is called both {names[label]!r} and {name!r}", on=str(path), remedy="correct the list"
            )
        parent = PurePosixPath(inside).parent.name
        folders[label].add(parent)
        labels_of[parent].add(label)
        entries.append((inside, label, split))
    if len(set(names.values())) < len(names):
        raise UserInputError("two labels have the same name", on=str(path), remedy="correct the list")
    # A class is called as its folder where each has one of its own (what classes.csv and people see), else by its name.
    one_to_one = all(len(found) == 1 for found in folders.values()) and all(len(f) == 1 for f in labels_of.values())
    classes = {label: next(iter(folders[label])) if one_to_one else names[label] for label in names}
    listing = Listing("coop", [Entry(inside, normalised(classes[label]), split) for inside, label, split in entries])
    listing.names = {normalised(classes[label]): normalised(name) for label, name in names.items()}
    return listing


def _coop_rows(path: Path) -> list[tuple[str, str, int, str]]:
    remedy = "a CoOp split file holds train, val and test, each a list of [path, label, class name]"
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise UserInputError(f"the split file is no JSON ({error})", on=str(path), remedy=remedy) from None
    splits = {"train", "val", "test"}
    if not isinstance(content, dict) or not splits & content.keys():
        raise UserInputError("the split file has no list train, val or test", on=str(path), remedy=remedy)
    rows = []
    for split in sorted(splits & content.keys()):
        for number, row in enumerate(content[split] if isinstance(content[split], list) else [None]):
            match row:
                case [str(given), int(label), str(name)] if given.strip() and name.strip():
                    rows.append((split, given, label, name.strip()))
                case _:
                    raise UserInputError(f"entry {number} of {split} is {str(row)[:80]}", on=str(path), remedy=remedy)
    if not any(split == "train" for split, *_ in rows):
        raise UserInputError("the split file has no training photos", on=str(path), remedy=remedy)
    return rows


def coop_base(root: Path, path: Path) -> str:
    """The folder beneath the root that a CoOp split file's paths are relative to; empty for the root itself."""
    return _coop_base(root, path, [given for _, given, _, _ in _coop_rows(path)])


def _coop_base(root: Path, path: Path, given: list[str]) -> str:
    """The folder that the paths are relative to: the list's own (empty) or one beneath it, as CoOp's data sets are."""
    probe = given[:: max(1, len(given) // 64)]
    subfolders = sorted(item.name for item in root.iterdir() if item.is_dir() and not item.name.startswith("."))
    found = {base: sum(_exists(root / base / name) for name in probe) for base in ["", *subfolders]}
    best = max(found.values())
    if best == 0:
        raise UserInputError(
            f"none of the photos listed is there, the first is {given[0]}",
            on=str(path),
            remedy="put the photos beside the split file, or in one folder beside it",
        )
    bases = [base for base, count in found.items() if count == best]
    if len(bases) > 1:
        raise UserInputError(
            f"the listed photos lie in {' and '.join(f'{base}/' if base else 'the root' for base in bases)}",
            on=str(path),
            remedy="leave one of them",
        )
    return bases[0]
