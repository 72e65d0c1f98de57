"""The pages of a validation: our overview, and Great Expectations' own pages without remote parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from components.files import write_text
from components.report.page import render
from components.report.standing_alone import standing_alone
from components.validate import ExpectationResult, ValidationVerdict, shown

__all__ = ["write_validation_pages"]

_ROWS_SHOWN = 25
_TITLES = {"photos": "Photos", "files": "Files", "sample": "Drawn photos", "classes": "Classes", "own": "Your own"}
_RANK = {"critical": 0, "bad": 1, "warning": 2}


@dataclass(frozen=True)
class _Failed:
    """A failed check, with its first failing rows as a table."""

    answer: ExpectationResult
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    n_more: int


@dataclass(frozen=True)
class _Quarantined:
    """The quarantined files of one reason, and an example."""

    reason: str
    n: int
    path: str
    detail: str


def write_validation_pages(folder: Path, verdict: ValidationVerdict) -> None:
    """Write `index.html` and a page per suite; they fetch nothing and contain no times.

    Args:
        folder: the target; made if missing. Earlier pages are replaced, other files in it are not touched.
        verdict: the result of the validation.
    """
    for suite in verdict.suites:
        content = standing_alone(_own_page(suite.result))
        title = f"Great Expectations: {_TITLES[suite.name]}"
        write_text(folder / f"{suite.name}.html", render("expectations.html", title=title, content=content))
    answers, classes = verdict.answers, verdict.classes
    failed = sorted((a for a in answers if a.passed is False), key=lambda answer: _RANK[answer.check.severity])
    page = render(
        "validation.html",
        title="Shotline: the photos",
        stops=not verdict.passed,
        n_drawn=int(classes[["support", "validation", "query"]].to_numpy().sum()),
        n_usable=verdict.manifest.num_rows,
        n_quarantined=verdict.quarantine.num_rows,
        n_held=sum(answer.passed is True for answer in answers),
        answers=answers,
        failed=[_failed(answer) for answer in failed],
        quarantine=_by_reason(verdict.quarantine),
        classes=classes.to_dict("records"),
        suites=[(suite.name, _TITLES[suite.name]) for suite in verdict.suites],
    )
    write_text(folder / "index.html", page)


def _own_page(result: Any) -> str:
    from great_expectations.render.renderer import ValidationResultsPageRenderer
    from great_expectations.render.view import DefaultJinjaPageView

    page: str = DefaultJinjaPageView().render(ValidationResultsPageRenderer().render(result))
    return page


def _failed(answer: ExpectationResult) -> _Failed:
    first = answer.failing[:_ROWS_SHOWN]
    return _Failed(
        answer=answer,
        columns=tuple(name.replace("_", " ") for name in answer.failing[0]) if answer.failing else (),
        rows=tuple(tuple(shown(value) for value in row.values()) for row in first),
        n_more=len(answer.failing) - len(first),
    )


def _by_reason(quarantine: pa.Table) -> Sequence[_Quarantined]:
    """The reasons, the most frequent first."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in quarantine.to_pylist():
        rows.setdefault(row["reason"], []).append(row)
    found = [_Quarantined(reason, len(its), its[0]["path"], its[0]["detail"]) for reason, its in rows.items()]
    return sorted(found, key=lambda each: -each.n)
