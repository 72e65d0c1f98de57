"""Adds photos to a photo folder of any layout: where they are put, and what its list then says."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from components.errors import UserInputError
from components.files import json_text
from components.ingest.decode import FORMATS
from components.ingest.listings import coop_base, listing_path, read_manifest_table, read_source
from components.ingest.sources import Entry, Listing, normalised
from components.ingest.table_files import TEXT_SUFFIXES, added_rows

__all__ = ["Placement", "check_placed", "plan_placement"]

_NO_FOLDER = re.compile(r'^\.+|[/\\:*?"<>|\x00-\x1f]|[. ]$')  # letters that no folder's name has


@dataclass(frozen=True)
class Placement:
    """What has to be written to add photos to a photo folder.

    Attributes:
        files: path relative to the root, with slashes, to the photo to put there; photos that are there already are
            left out.
        wanted: all added photos, as the layout must name them.
        others: the photos that the layout names besides.
        list_name: the list in the root that names the photos; None if folders name them.
        list_content: the list's new content.
    """

    files: dict[str, Path] = field(default_factory=dict)
    wanted: tuple[Entry, ...] = ()
    others: tuple[Entry, ...] = ()
    list_name: str | None = None
    list_content: bytes = b""


def plan_placement(root: Path, photos: Mapping[str, Sequence[Path]], listing: str) -> Placement:
    """Plan where photos are put: among the training photos, in their class's folder, under their own names.

    A folder per class gets them in that folder, `train/` beneath `train/`; a manifest or a CoOp split file gets a row
    for each as well, in the split train where it has splits. Nothing is written yet.

    Args:
        root: the photo folder.
        photos: class, as the layout names it, to photos named by their content, no two equal.
        listing: `ingest.listing` of the parameters.

    Raises:
        UserInputError: the layout cannot be read, or cannot name the photos.
    """
    root = root.resolve()
    source = read_source(root, listing)
    path = listing_path(root, listing)
    base = _base(root, source, path)
    wanted: dict[Entry, Path] = {}
    for label, files in photos.items():
        folder = _folder(source, label, base)
        split = "train" if any(entry.split for entry in source.entries) else None
        for file in files:
            wanted[Entry(f"{folder}/{file.name}{_suffix(file)}", label, split)] = file
    missing = [entry for entry in wanted if entry not in set(source.entries)]
    content = b"" if path is None or not missing else _LISTS[path.suffix.lower()](path, source, missing, base)
    return Placement(
        files={entry.path: file for entry, file in wanted.items() if not (root / entry.path).is_file()},
        wanted=tuple(wanted),
        others=tuple(entry for entry in source.entries if entry not in wanted),
        list_name=path.name if path and content else None,
        list_content=content,
    )


def check_placed(root: Path, placement: Placement, listing: str) -> None:
    """Check that the layout now names the same photos as before, and the new photos under their classes.

    Raises:
        UserInputError: it does not, because a class has a name that the layout uses for something else.
    """
    found = set(read_source(root.resolve(), listing).entries)
    if found != {*placement.wanted, *placement.others}:
        odd = next(entry for entry in (*placement.wanted, *placement.others) if entry not in found)
        raise UserInputError(
            f"the photo folder would no longer be read as it is: {odd.path} would not be a photo of {odd.label}",
            on=str(root),
            remedy="call the class something else (shotline rename-class) and consolidate again",
        )


def _base(root: Path, source: Listing, path: Path | None) -> str:
    """The folder that the classes' folders lie in, relative to the root; empty for the root itself."""
    if source.layout == "coop" and path is not None:
        return coop_base(root, path)
    if source.layout != "split_folders":
        return ""
    return next(PurePosixPath(entry.path).parts[0] for entry in source.entries if entry.split == "train")


def _folder(source: Listing, label: str, base: str) -> str:
    """The training folder of that class; a folder on disk may be spelt in Unicode's other form."""
    depth = len(PurePosixPath(base).parts)
    for entry in source.entries:
        parts = PurePosixPath(entry.path).parts
        if entry.label == label and entry.split in (None, "train") and len(parts) > depth + 1:
            if base and parts[:depth] != PurePosixPath(base).parts:
                continue
            if source.layout != "manifest" and normalised(parts[depth]) != label:
                return "/".join(parts[:-1])  # a CoOp list, whose class folders lie deeper or have other names
            return "/".join(parts[: depth + 1])
    # The list names the class, so the folder's name is free: a class may be called `TV/monitor`, or `../away`.
    folder = label if source.layout in ("folders", "split_folders") else _NO_FOLDER.sub("_", label)
    return f"{base}/{folder}" if base else folder


def _suffix(file: Path) -> str:
    with Image.open(file, formats=FORMATS) as image:
        return {"JPEG": ".jpg", "JPEG2000": ".jp2", "MPO": ".jpg"}.get(image.format or "", f".{image.format}".lower())


def _csv_rows(path: Path, source: Listing, missing: Sequence[Entry], base: str) -> bytes:
    table = read_manifest_table(path)
    assert table.text is not None  # its name does not end like a Parquet file's
    return path.read_bytes() + added_rows(table.text, table.columns, [_row(entry, table.columns) for entry in missing])


def _parquet_rows(path: Path, source: Listing, missing: Sequence[Entry], base: str) -> bytes:
    table = pq.read_table(path)
    try:
        columns = read_manifest_table(path).columns
        rows = [_row(entry, columns) for entry in missing]
        own = dict(zip(columns, table.column_names, strict=True))  # in its own spelling
        more = pa.Table.from_pylist(
            [{own[name]: value for name, value in row.items()} for row in rows], schema=table.schema
        )
    except pa.ArrowException as error:
        raise UserInputError(
            f"its columns cannot hold the new photos ({str(error).splitlines()[0]})",
            on=str(path),
            remedy="keep path, class and split as text, and let the other columns be empty",
        ) from None
    content = io.BytesIO()
    pq.write_table(pa.concat_tables([table, more]), content)
    return content.getvalue()


def _row(entry: Entry, columns: Sequence[str]) -> dict[str, str]:
    row = {"path": entry.path, "class": entry.label, "split": entry.split or ""}
    return {name: value for name, value in row.items() if name in columns and value}


def _coop_rows(path: Path, source: Listing, missing: Sequence[Entry], base: str) -> bytes:
    lists = json.loads(path.read_bytes())
    prefix = f"{base}/" if base else ""
    label_of = {normalised(name.strip()): label for rows in lists.values() for _, label, name in rows}
    numbers = [label for rows in lists.values() for _, label, _ in rows]
    for entry in missing:
        name = source.names.get(entry.label, entry.label)
        label = label_of.setdefault(name, max(numbers) + 1)
        numbers.append(label)
        lists["train"].append([entry.path.removeprefix(prefix), label, name])
    return json_text(lists).encode()


_LISTS = {**dict.fromkeys(TEXT_SUFFIXES, _csv_rows), ".parquet": _parquet_rows, ".json": _coop_rows}
