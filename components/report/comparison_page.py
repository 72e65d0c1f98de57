"""The comparison of two classifiers as a page, with the photos that became wrong and right."""

from __future__ import annotations

from pathlib import Path

from components.files import write_text
from components.report.compare import Comparison
from components.report.page import render
from components.report.thumbnails import Thumbnails

__all__ = ["write_comparison"]

_PHOTOS = 120  # photos shown of each kind
_PHOTO_BYTES = 6_000_000


def write_comparison(path: Path, comparison: Comparison, root: Path) -> None:
    """Write one HTML file, complete in itself.

    Args:
        path: of the page.
        comparison: the comparison to show.
        root: the folder that the photos' paths are relative to.
    """
    page = render(
        "comparison.html",
        title=f"{comparison.first} and {comparison.second} compared",
        comparison=comparison,
        kinds=(
            ("Photos that became wrong", comparison.became_wrong[:_PHOTOS], len(comparison.became_wrong)),
            ("Photos that became right", comparison.became_right[:_PHOTOS], len(comparison.became_right)),
        ),
        thumbnail=Thumbnails(root, budget_bytes=_PHOTO_BYTES),
    )
    write_text(path, page)
