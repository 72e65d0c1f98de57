"""Runs a stage by name, and records how long it took."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from components.errors import UserInputError
from components.files import write_json
from components.stages.reporter import Reporter
from components.workspace import Workspace, check_stage_versions, keep_digest

__all__ = ["STAGES", "run_stage"]

STAGES = ("ingest", "validate", "features", "ldc", "classifier", "liteembed", "evaluate", "package")
"""The stages in the order of `dvc.yaml`; each is a module of that name in this package, with a function `run`."""

Facts = dict[str, Any]


def run_stage(
    name: str, workspace: Workspace, reporter: Reporter, runners: Mapping[str, Callable[..., Any]] | None = None
) -> Facts:
    """Run the stage `name`, whether or not it is up to date.

    Its seconds and notes go to `reports/timings.json`, which is not tracked.

    Args:
        name: of the stage.
        workspace: the workspace in which it works.
        reporter: receives progress.
        runners: see `components.stages.features.run`.

    Raises:
        UserInputError: there is no such stage, its version differs from the workspace's, `params.yaml` has a mistake,
            or an input cannot be used.
    """
    from components.stages.settings import (
        check_parameters,  # imports every room's; `shotline status` needs STAGES alone
    )

    if name not in STAGES:
        raise UserInputError(f'there is no stage "{name}"', on="dvc.yaml", remedy=f"use one of {', '.join(STAGES)}")
    check_stage_versions(workspace, name)
    keep_digest(workspace.root)
    check_parameters(workspace)
    reporter.begin(name)
    start = time.perf_counter()
    run: Callable[..., Facts] = importlib.import_module(f"components.stages.{name}").run
    facts = run(workspace, reporter, runners) if name == "features" else run(workspace, reporter)
    seconds = time.perf_counter() - start
    _record(name, {"seconds": round(seconds, 3), **facts}, workspace)
    reporter.end(name, seconds)
    return facts


def _record(name: str, facts: Facts, workspace: Workspace) -> None:
    path = workspace.reports / "timings.json"
    try:
        timings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        timings = {}
    write_json(path, {**timings, name: facts})
