"""The code in a Bento, and its digest, on which the stage `package` depends.

DVC can depend on a file of the workspace alone, and Shotline's code lies elsewhere. So its digest is kept in the workspace,
in `shipped.yaml`: `shotline init`, `train`, `stage` and `upgrade` write it where it is no longer true.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from components.files import write_text

__all__ = ["SHIPPED_ROOMS", "keep_digest", "kept_digest", "shipped_digest", "shipped_files"]

SHIPPED_ROOMS = (
    *("artefacts", "backbone", "bank", "classifier", "evaluate", "features", "heads", "inbox", "ingest", "ldc"),
    *("liteembed", "live", "look", "pool", "retrieval", "serving", "store"),
    "workspace",  # the last ones search and change a mounted workspace
)
"""Rooms of `components` in a Bento; modules beside the rooms are included as well."""

_NOT_SHIPPED = ("__pycache__", "template")  # a workspace's template holds a backbone
_FILE = "shipped.yaml"
_COMPONENTS = Path(__file__).resolve().parents[1]


def shipped_files() -> Iterator[Path]:
    """The files of `components` in a Bento, sorted, relative to the folder that contains it.

    The files are the installed ones, so a Bento is the same whether Shotline came from a wheel or is its repository.
    """
    places = [*sorted(_COMPONENTS.glob("*.py")), *(_COMPONENTS / room for room in SHIPPED_ROOMS)]
    for place in places:
        for path in [place] if place.is_file() else sorted(place.rglob("*")):
            inside = path.relative_to(_COMPONENTS.parent)
            if path.is_file() and not any(part in _NOT_SHIPPED or part.startswith(".") for part in inside.parts):
                yield inside


@cache  # cached: the code of a process does not change
def shipped_digest() -> str:
    """SHA-256 of the names and contents of `shipped_files`, its first 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for path in shipped_files():
        content = (_COMPONENTS.parent / path).read_bytes()
        digest.update(f"{path.as_posix()} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]  # short enough for a column of `dvc params diff`


def kept_digest(root: Path) -> str | None:
    """The digest in the workspace `root`, or None if it has none."""
    try:
        text = (root / _FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    return next((line.removeprefix("code: ") for line in text.splitlines() if line.startswith("code: ")), None)


def keep_digest(root: Path) -> bool:
    """Write this Shotline's digest into the workspace `root`; returns whether it differed."""
    if kept_digest(root) == shipped_digest():
        return False
    head = "# The code that a Bento is built from. Shotline writes it; where it has changed, `package` runs anew."
    write_text(root / _FILE, f"{head}\ncode: {shipped_digest()}\n")
    return True
