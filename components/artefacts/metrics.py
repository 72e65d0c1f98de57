"""`reports/metrics.json`: what the stage evaluate measured; the form is a contract, see `components.evaluate.metrics`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from components.errors import UserInputError
from components.files import write_json

__all__ = ["metrics_file", "read_metrics", "write_metrics"]


def metrics_file(reports: Path) -> Path:
    """Where the file lies in the folder of reports."""
    return reports / "metrics.json"


def write_metrics(reports: Path, content: dict[str, Any]) -> None:
    """Write what `components.evaluate.metrics` made."""
    write_json(metrics_file(reports), content)


def read_metrics(reports: Path) -> dict[str, Any]:
    """What the last training measured.

    Raises:
        UserInputError: nothing is trained yet.
    """
    path = metrics_file(reports)
    if not path.is_file():
        raise UserInputError("nothing is measured yet", on=str(path), remedy="train first: shotline train PHOTOS")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
