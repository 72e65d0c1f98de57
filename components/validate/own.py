"""A person's own expectations: a suite in Great Expectations' form, checked together with ours."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from components.errors import UserInputError
from components.validate.checks import Check, Severity

__all__ = ["own_checks"]

_SEVERITIES: dict[str, Severity] = {"critical": "critical", "warning": "warning", "info": "warning"}


class _Expectation(BaseModel):
    type: Annotated[str, Field(pattern=r"^expect_[a-z0-9_]+$")]
    kwargs: dict[str, Any] = {}
    meta: dict[str, Any] | None = None
    severity: Literal["critical", "warning", "info"] = "critical"
    description: str | None = None
    notes: Any = None


class _Suite(BaseModel):
    """The form of `ExpectationSuite.to_json_dict()`; other keys are ignored."""

    expectations: list[_Expectation]


def own_checks(file: Path, columns: Collection[str]) -> list[Check]:
    """The checks of `data/expectations.json`, called `own_1`, `own_2`, ...; none where there is no such file.

    Args:
        file: a suite as Great Expectations writes it. `critical` (its default) stops the run, `warning` and `info` are
            reported.
        columns: columns of the table of photos, which `column` and similar arguments must name.

    Raises:
        UserInputError: the file is no suite, Great Expectations has no such expectation, or its arguments are wrong.
    """
    if not file.is_file():
        return []
    try:
        suite = _Suite.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        raise UserInputError(
            f"no suite of Great Expectations: {'.'.join(map(str, first['loc']))}: {first['msg']}",
            on=str(file),
            remedy='write it by json.dumps(suite.to_json_dict()), or empty it: {"expectations": []}',
        ) from error
    return [_check(number, each, file, columns) for number, each in enumerate(suite.expectations, 1)]


def _check(number: int, own: _Expectation, file: Path, columns: Collection[str]) -> Check:
    import great_expectations as gx

    where = f"{file}: expectation {number}, {own.type}"
    name = "".join(part.title() for part in own.type.split("_"))
    made = getattr(gx.expectations, name, None)
    if made is None:
        raise UserInputError(
            "Great Expectations has no such expectation", on=where, remedy="see its gallery, or its documentation"
        )
    try:
        made(**own.kwargs)
    except ValueError as error:  # pydantic's, of whichever version it uses
        raise UserInputError(f"its arguments are wrong: {error}", on=where, remedy="correct its kwargs") from error
    named = [value for key, value in own.kwargs.items() if key.lower() in ("column", "column_a", "column_b")]
    if unknown := [column for column in named if column not in columns]:
        raise UserInputError(
            f"the table of photos has no column {unknown[0]!r}", on=where, remedy=f"use one of {', '.join(columns)}"
        )
    said = ", ".join(f"{key} {json.dumps(value)}" for key, value in own.kwargs.items())
    return Check(
        code=f"own_{number}",
        suite="own",
        severity=_SEVERITIES[own.severity],
        title=own.description or f"{own.type.replace('_', ' ')} ({said})",
        remedy=f"see to these photos, or change expectation {number} of data/expectations.json",
        expectation=name,
        arguments=own.kwargs,
    )
