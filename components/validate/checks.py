"""The suite of checks: the rows of `checks.yaml`, filled in for one set of photos."""

from __future__ import annotations

from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from components.validate.settings import ValidateSettings

__all__ = ["Check", "Severity", "SuiteName", "the_checks"]

Severity = Literal["critical", "bad", "warning"]
SuiteName = Literal["photos", "files", "sample", "classes", "own", "stored"]
Need = Literal["splits", "held_out_photos", "query_photos", "other_classes", "limited_shots"]

_TABLE = Path(__file__).with_name("checks.yaml")


@dataclass(frozen=True)
class Check:
    """One expectation and the meaning of its failure.

    Attributes:
        code: its name for programs.
        suite: the frame that it checks.
        severity: `critical` stops the run, `bad` rows are quarantined, `warning` is reported.
        title: what is expected, a sentence without a full stop.
        remedy: what to do where it does not hold.
        expectation: the name of Great Expectations' class.
        arguments: its arguments.
        skipped: why it does not apply here, or None; a check that did not run must not look like one that passed.
        reason: for a `bad` check, the quarantine's code of the failing rows.
        detail: for a `bad` check, the quarantine's text of such a row, with the row's keys and columns in braces.
    """

    code: str
    suite: SuiteName
    severity: Severity
    title: str
    remedy: str
    expectation: str
    arguments: dict[str, Any]
    skipped: str | None = None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _Row:
    """One row of the table, before the facts are filled in."""

    code: str
    severity: Severity
    title: str
    remedy: str
    expectation: str
    arguments: dict[str, Any]
    needs: Need | None = None
    without: str | None = None
    reason: str = ""
    detail: str = ""


def the_checks(
    settings: ValidateSettings, *, shots: int, has_splits: bool, has_held_out: bool, has_query: bool, n_classes: int
) -> list[Check]:
    """Every check of the suite, in the table's order, with the limits of `settings`.

    Args:
        settings: the limits.
        shots: support photos per class that were asked for; 0 means all.
        has_splits: whether the data came with splits.
        has_held_out: whether there are validation or query photos.
        has_query: whether there are photos that only measure.
        n_classes: how many classes there are.
    """
    there: dict[Need, bool] = {
        "splits": has_splits,
        "held_out_photos": has_held_out,
        "query_photos": has_query,
        "other_classes": n_classes > 1,
        "limited_shots": shots > 0,
    }
    facts = _facts(settings, shots)
    return [
        Check(
            code=row.code,
            suite=suite,
            severity=row.severity,
            title=row.title.format(**facts),
            remedy=row.remedy,
            expectation=row.expectation,
            arguments={name: _filled(value, facts) for name, value in row.arguments.items()},
            skipped=None if row.needs is None or there[row.needs] else row.without,
            reason=row.reason,
            detail=row.detail.format(**facts),
        )
        for suite, rows in _table().items()
        for row in rows
    ]


@cache
def _table() -> dict[SuiteName, list[_Row]]:
    content = yaml.safe_load(_TABLE.read_text(encoding="utf-8"))
    return TypeAdapter(dict[SuiteName, list[_Row]]).validate_python(content)


def _facts(settings: ValidateSettings, shots: int) -> dict[str, Any]:
    reported = settings.reported_decode_errors
    return asdict(settings) | {
        "shots": shots,
        "min_shots_in_words": f"{settings.min_shots} support photo{'s' if settings.min_shots > 1 else ''}",
        "reported_decode_errors_in_words": (
            f"at most {reported:.0%} of the files cannot be decoded" if reported else "every file can be decoded"
        ),
        "decoded_or_reported": 1.0 - reported,
        "decoded_or_stopped": 1.0 - settings.max_decode_errors,
    }


def _filled(value: Any, facts: dict[str, Any]) -> Any:
    """An argument with its facts filled in; an argument that is only a fact's name in braces becomes the fact
    itself.
    """
    if not isinstance(value, str):
        return value
    name = value.removeprefix("{").removesuffix("}")
    return facts[name] if name in facts and value == f"{{{name}}}" else value.format(**facts)
