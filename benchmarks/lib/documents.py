"""The documents whose tables are made from results."""

from __future__ import annotations

from pathlib import Path

from .results import RESULTS, Result
from .tables import filled

__all__ = ["documents", "rendered"]

_ROOT = RESULTS.parents[1]


def documents() -> list[Path]:
    """The README files and `docs/`, those that there are."""
    places = [_ROOT / "README.md", _ROOT / "benchmarks/README.md", *sorted((_ROOT / "docs").rglob("*.md"))]
    return [path for path in places if path.is_file()]


def rendered(document: str, folder: Path = RESULTS) -> str:
    """A document with its tables as the results in `folder` say."""
    return filled(document, lambda name, number: Result.read(name, folder).table(number))
