"""Runs checks with Great Expectations, and gives its answers in plain types."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from components.errors import ShotlineError
from components.validate.checks import Check, Severity

__all__ = ["ExpectationResult", "Suite", "run_suite", "shown"]

_log = logging.getLogger(__name__)

_KEYS = {
    "photos": ["path", "class"],
    "files": ["path", "class"],
    "sample": ["path", "role"],
    "classes": ["class"],
    "own": ["path", "class"],
    "stored": ["path", "class"],
}
_SEVERITIES: dict[Severity, str] = {"critical": "critical", "bad": "warning", "warning": "info"}
"""Our severities as Great Expectations names them, for its actions and viewers."""


@dataclass(frozen=True)
class ExpectationResult:
    """The result of one check.

    Attributes:
        check: the check.
        passed: whether it passed; None if it does not apply.
        n_rows: number of checked rows.
        failing: the failing rows: keys and value of each, sorted; some may fail although the check passes (a share is
            allowed).
    """

    check: Check
    passed: bool | None
    n_rows: int
    failing: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Suite:
    """The results of one suite, and Great Expectations' own result, for its page."""

    name: str
    answers: tuple[ExpectationResult, ...]
    result: Any = field(repr=False)


def run_suite(name: str, frame: pd.DataFrame, checks: Sequence[Check], actions: Sequence[Any] = ()) -> Suite:
    """Check a frame.

    Args:
        name: of the suite.
        frame: a frame made by `frames`.
        checks: of all suites; those of this suite are run.
        actions: of Great Expectations, done where a check fails; see `own_actions`. An action that fails is logged.

    Raises:
        ShotlineError: a check could not be run (a column is missing); a failing check raises nothing.
    """
    # Great Expectations takes seconds to import, which only this stage needs.
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults

    checks = [check for check in checks if check.suite == name]
    applied = [check for check in checks if check.skipped is None]
    keys = _KEYS[name]
    # Without stores in memory it would leave a temporary folder for every context.
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
    definition = context.validation_definitions.add(definition)
    result_format = {"result_format": "COMPLETE", "unexpected_index_column_names": keys}
    result = definition.run(batch_parameters={"dataframe": frame}, result_format=result_format)
    if actions and not result.success:
        _act(context, definition, frame, result_format, actions)
    by_code = {one["expectation_config"]["meta"]["code"]: one for one in result.to_json_dict()["results"]}
    answers = [
        _answer(check, by_code[check.code], keys, len(frame))
        if check.skipped is None
        else ExpectationResult(check, None, len(frame))
        for check in checks
    ]
    return Suite(name, tuple(answers), result)


def _act(
    context: Any, definition: Any, frame: pd.DataFrame, result_format: dict[str, Any], actions: Sequence[Any]
) -> None:
    """Have Great Expectations do the actions; only a checkpoint does them, and it validates once more."""
    import great_expectations as gx

    checkpoint = gx.Checkpoint(
        name=definition.name, validation_definitions=[definition], actions=list(actions), result_format=result_format
    )
    try:
        context.checkpoints.add(checkpoint).run(batch_parameters={"dataframe": frame})
    except Exception as error:  # noqa: BLE001 (whatever keeps a message back, the verdict stands)
        _log.warning("an action of data/actions.json failed: %s", error)


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
    """A value that JSON can represent, instead of NumPy's scalars."""
    return value.item() if isinstance(value, np.generic) else value


def shown(value: Any) -> str:
    """A value for people: a fraction has three significant digits, and zero has no minus."""
    return f"{value:z.3g}" if isinstance(value, float) and abs(value) < 1000 else str(value)
