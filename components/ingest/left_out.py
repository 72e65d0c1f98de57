"""The record of files that could not be copied into a photo folder; `ingest` quarantines them like other bad files."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from components.files import write_json
from components.ingest.sources import Rejected

__all__ = ["read_left_out", "write_left_out"]

_NAME = ".left_out.json"  # hidden, so that it is nobody's photo


def write_left_out(root: Path, files: Sequence[Rejected]) -> None:
    """Record what is missing in a photo folder and why; an earlier record is replaced."""
    record = root / _NAME
    if files:
        write_json(record, [asdict(file) for file in files])
    else:
        record.unlink(missing_ok=True)


def read_left_out(root: Path) -> list[Rejected]:
    """The recorded files, without those that have been put there since."""
    record = root / _NAME
    if not record.is_file():
        return []
    files = [Rejected(**row) for row in json.loads(record.read_text(encoding="utf-8"))]
    return [file for file in files if not (root / file.path).exists()]
