"""Moves added classes and waiting photos into `data/raw`, and trains the classifier anew.

The live version changes last, through the gate. Until then everything can be undone, and it is undone if the gate
refuses, a stage fails or the process is killed: the photo folder is then as before, and the ledger is unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from components.errors import RefusedByGateError
from components.live import Change
from components.live.opening import LiveWorkspace
from components.running import Runner, run_plainly
from components.stages import Reporter, check_parameters
from components.workspace import Workspace
from flows.dvc import Pipeline
from flows.pipeline import make_report, run_own_stages, run_stages, told_of_bundle

__all__ = ["check_consolidation", "consolidate_classes", "explain"]


def check_consolidation(workspace: Workspace, names: Sequence[str]) -> None:
    """Check that a consolidation could begin; only an earlier, unfinished one is changed.

    Raises:
        UserInputError: DVC could not record it, nothing is live yet, or there is nothing of that name to consolidate.
    """
    Pipeline(workspace).check()
    live = LiveWorkspace.open(workspace)
    if not live.consolidation.unsettled:  # else the unfinished one is completed first, for any names
        live.changes.to_consolidate(names, live.stamp())


def consolidate_classes(
    workspace: Workspace, names: Sequence[str], reporter: Reporter, run: Runner = run_plainly, *, force: bool = False
) -> dict[str, Any]:
    """Copy photos from the arrivals into `data/raw`, run the stages, pass the gate, write the ledger, move the pointer.

    Args:
        workspace: see `Workspace`.
        names: classes to consolidate; all where empty.
        reporter: receives progress.
        run: runs each stage.
        force: overrule the gate.

    Returns:
        `classes` (name to photos that went into `data/raw`), `version` and `before`, and `told`, lines for people.

    Raises:
        UserInputError: there is nothing of that name to consolidate, or the photo folder cannot take it.
        RefusedByGateError: the live classifier is better on the classes that both know.
    """
    check_parameters(workspace)
    with workspace.turn():
        check_consolidation(workspace, names)
        live = LiveWorkspace.open(workspace)
        counts = live.consolidation.settle()
        moved = live.changes.to_consolidate(() if counts else names, live.stamp())
        if counts or not moved:
            if counts:  # the ledger and the pointer have it, DVC does not yet
                run_stages(workspace, reporter, run)
                live.consolidation.done()
            name = live.versions.current_name()
            done = "what was cut off is completed" if counts else "there is nothing to consolidate"
            return {"classes": {}, "version": name, "before": name, "told": [done, f"live: {name}, as before"]}
        n_new = live.consolidation.place(moved)
        reporter.note(f"photos into {workspace.raw.relative_to(workspace.root)}: {n_new} ({', '.join(moved)})")
        try:
            run_stages(workspace, reporter, run)
            change = live.changes.consolidate(workspace.bundle, moved, live.stamp(), force=force)
        except BaseException as error:
            if not live.consolidation.settle() and isinstance(error, RefusedByGateError):
                run_stages(workspace, reporter, run)  # restores the old outputs, which DVC has kept
            raise
        run_stages(workspace, reporter, run)  # the ledger has one more line
        live.consolidation.done()
        make_report(workspace, reporter)
        run_own_stages(workspace, reporter, run)
    return {
        "classes": {name: len(photos) for name, photos in moved.items()},
        "version": change.version.name,
        "before": change.before.name,
        "told": explain(change, moved),
    }


def explain(change: Change, moved: Mapping[str, tuple[str, ...]]) -> list[str]:
    """The result of a consolidation for people, line by line."""
    return [
        *(f"{name}: trained, photos more: {len(photos)}" for name, photos in moved.items()),
        f"live: {change.version.name}",
        *told_of_bundle(change),
    ]
