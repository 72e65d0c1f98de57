"""What could not be copied into a photo folder, written down in it: it is quarantined there like any other bad file."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from components.files import write_json
from components.ingest.sources import Rejected

__all__ = ["read_left_out", "write_left_out"]

_NAME = ".left_out.json"  # hidden, so that it is nobody's photo


def write_left_out(root: Path, files: Sequence[Rejected]) -> None:
    """Write down what is missing in a photo folder and why; an earlier record goes."""
    record = root / _NAME
    if files:
        write_json(record, [asdict(file) for file in files])
    else:
        record.unlink(missing_ok=True)


def read_left_out(root: Path) -> list[Rejected]:
    """What was written down, without what has been put there since."""
    record = root / _NAME
    if not record.is_file():
        return []
    files = [Rejected(**row) for row in json.loads(record.read_text(encoding="utf-8"))]
    return [file for file in files if not (root / file.path).exists()]
