"""Checks handed to Great Expectations, and its answers in plain types."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from components.errors import ShotlineError
from components.validate.checks import Check, Severity

__all__ = ["ExpectationResult", "Suite", "run_suite", "shown"]

_KEYS = {
    "photos": ["path", "class"],
    "files": ["path", "class"],
    "sample": ["path", "role"],
    "classes": ["class"],
    "own": ["path", "class"],
}
_SEVERITIES: dict[Severity, str] = {"critical": "critical", "bad": "warning", "warning": "info"}
"""Ours in Great Expectations' own words: what its actions and its viewers sort by."""


@dataclass(frozen=True)
class ExpectationResult:
    """What came of one check.

    Attributes:
        check: the check.
        passed: whether it held; None if it does not apply.
        n_rows: rows looked at.
        failing: each row that does not hold: its keys and the value found, sorted; some may fail where the check as
            a whole passes (a share is allowed).
    """

    check: Check
    passed: bool | None
    n_rows: int
    failing: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Suite:
    """The answers of one suite, and Great Expectations' own result, for its page."""

    name: str
    answers: tuple[ExpectationResult, ...]
    result: Any = field(repr=False)


def run_suite(name: str, frame: pd.DataFrame, checks: Sequence[Check]) -> Suite:
    """Check a frame.

    Args:
        name: of the suite.
        frame: what `frames` laid out.
        checks: of all suites; those of this one are made.

    Raises:
        ShotlineError: a check could not be made (a column is missing); never because one did not hold.
    """
    # Great Expectations takes seconds to import, which only this stage should pay.
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    checks = [check for check in checks if check.suite == name]
    applied = [check for check in checks if check.skipped is None]
    keys = _KEYS[name]
    # Without stores of its own it would leave a temporary folder behind for every context.
    in_memory = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(), progress_bars={"globally": False}
    )
    context = gx.get_context(mode="ephemeral", project_config=in_memory)
    suite = gx.ExpectationSuite(
        name=name,
        expectations=[
            getattr(gx.expectations, check.expectation)(
                **check.arguments,
                description=check.title,
                severity=_SEVERITIES[check.severity],
                meta={"code": check.code},
            )
            for check in applied
        ],
    )
    batch = (
        context.data_sources.add_pandas("shotline")
        .add_dataframe_asset(name)
        .add_batch_definition_whole_dataframe("all")
    )
    definition = gx.ValidationDefinition(name=name, data=batch, suite=context.suites.add(suite))
    result = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": frame},
        result_format={"result_format": "COMPLETE", "unexpected_index_column_names": keys},
    )
    by_code = {one["expectation_config"]["meta"]["code"]: one for one in result.to_json_dict()["results"]}
    answers = [
        _answer(check, by_code[check.code], keys, len(frame))
        if check.skipped is None
        else ExpectationResult(check, None, len(frame))
        for check in checks
    ]
    return Suite(name, tuple(answers), result)


def _answer(check: Check, result: dict[str, Any], keys: list[str], n_rows: int) -> ExpectationResult:
    raised = result["exception_info"]
    if raised.get("raised_exception") or any(isinstance(one, dict) for one in raised.values()):
        raise ShotlineError(
            f"the check {check.code} could not be made: {str(raised)[:300]}",
            on=f"{check.suite}: {check.arguments}",
            remedy="run the stage ingest again; if that does not help, report it",
        )
    column = check.arguments.get("column")
    failing = [
        {key: _plain(row[key]) for key in keys} | ({column: _plain(row[column])} if column else {})
        for row in result["result"].get("unexpected_index_list") or []
    ]
    failing.sort(key=lambda row: [str(row[key]) for key in keys])
    return ExpectationResult(check, bool(result["success"]), n_rows, tuple(failing))


def _plain(value: Any) -> Any:
    """A value that JSON knows: not NumPy's own scalars."""
    return value.item() if isinstance(value, np.generic) else value


def shown(value: Any) -> str:
    """A value as people read it: a fraction with three digits that count, and no minus before a zero."""
    return f"{value:z.3g}" if isinstance(value, float) and abs(value) < 1000 else str(value)
