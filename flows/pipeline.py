"""The pipeline of `dvc.yaml`, walked in this process: DVC decides whether a stage runs, and records what it did.

`dvc repro` walks the same stages through `shotline stage NAME`; both leave the same files, `dvc.lock` included. Stages of
the user's own are run too. Those that ours do not need come last, when what is ours is live: they can hold up nothing.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from components.artefacts import answers_file, read_answers
from components.classifier.facts import saved_version
from components.errors import ShotlineError
from components.live import Change
from components.live.opening import LiveWorkspace
from components.running import Runner, run_plainly
from components.stages import Reporter, check_parameters, run_stage
from components.workspace import Workspace, check_stage_versions, keep_digest
from flows.clusters import RUNNERS
from flows.dvc import Pipeline, Stage

if TYPE_CHECKING:
    from components.report import Comparison

__all__ = ["compare_with_live", "make_report", "run_own_stages", "run_stages", "told_of_bundle", "walk"]


def walk(workspace: Workspace, reporter: Reporter, run: Runner = run_plainly) -> dict[str, bool]:
    """Run what DVC says must run, and make live what came of it.

    Args:
        workspace: whose pipeline.
        reporter: hears of progress.
        run: how each stage is run.

    Returns:
        Stage name to whether it ran (False: it was up to date).
    """
    check_stage_versions(workspace)
    check_parameters(workspace)
    with workspace.turn():
        live = LiveWorkspace(Workspace(workspace.root))
        if live.consolidation.unsettled:
            kept = live.consolidation.settle()
            reporter.note(f"a consolidation that was cut off was {'completed' if kept else 'taken back'}")
        ran = run_stages(workspace, reporter, run)
        live.consolidation.done()
        compared = compare_with_live(workspace, live, reporter)
        change = live.changes.adopt(workspace.bundle, live.stamp())
        if change is not None:
            reporter.note(f"live: {change.version.name}")
            for line in told_of_bundle(change, compared):
                reporter.note(line)
        if change is not None or ran.get("evaluate"):
            make_report(workspace, reporter)
        return {**ran, **run_own_stages(workspace, reporter, run)}


def make_report(workspace: Workspace, reporter: Reporter) -> None:
    """Write `reports/report.html` from what the stages left, if they measured; a failure is told and stops nothing."""
    if not answers_file(workspace.reports).is_file():
        return
    from components.report import write_report

    try:
        path = write_report(workspace)
    except (ShotlineError, OSError) as error:
        reporter.note(f"no report: {error.what if isinstance(error, ShotlineError) else error}")
    else:
        reporter.note(f"the report: {path.relative_to(workspace.root)}")


def compare_with_live(workspace: Workspace, live: LiveWorkspace, reporter: Reporter) -> Comparison | None:
    """What the stages' classifier answers otherwise than what is live, about the same photos; None if it is that one.

    That they cannot be compared is told and stops nothing.
    """
    from components.report import compare
    from components.stages.answered_by import answered_by

    table = answers_file(workspace.reports)
    try:
        current = live.versions.current()
        if current is None or current.bundle == saved_version(workspace.bundle) or not table.is_file():
            return None
        before = answered_by(workspace, live.versions.path(current), reporter)
        after = read_answers(table.read_text(encoding="utf-8"), on=str(table))
        return compare(before, after, names=("what was live", "what is live now"))
    except (ShotlineError, OSError) as error:
        reporter.note(f"not compared with what was live: {error.what if isinstance(error, ShotlineError) else error}")
        return None


def told_of_bundle(change: Change, compared: Comparison | None = None) -> list[str]:
    """What people should know of a bundle that took the place of one, a line each.

    Args:
        change: from the one to the other.
        compared: both on the photos that measure; they say more than the photos that both held out, if there are any.
    """
    verdict = change.bundle_verdict
    if verdict is None or change.version.bundle == change.before.bundle:
        return []
    back = f"back: shotline rollback {change.before.name}"
    if compared is None or not compared.before.n:
        nothing = verdict.n_photos == 0
        return [
            "it was made of other photos or classes, so there is nothing to compare it on" if nothing else verdict.told,
            *(f"beware: {reason}" for reason in verdict.refusals),
            back,
        ]
    lost = [f"beware: {name} is found less often than by what was live" for name in compared.worse]
    if compared.differs and compared.after.share < compared.before.share:
        lost.insert(0, "beware: it is worse than what was live")
    return [*compared.told, *lost, back]


def run_stages(workspace: Workspace, reporter: Reporter, run: Runner = run_plainly) -> dict[str, bool]:
    """Take our stages, and those that they need, in order: run what DVC says must run.

    What is live stays; see `walk` for the arguments.
    """
    keep_digest(workspace.root)
    pipeline = Pipeline(workspace)
    pipeline.track_sources()
    return _take(pipeline, [stage for stage in pipeline.stages() if stage.needed], workspace, reporter, run)


def run_own_stages(workspace: Workspace, reporter: Reporter, run: Runner = run_plainly) -> dict[str, bool]:
    """Take the stages of the user's own that none of ours needs, likewise; one that fails is told and stops nothing."""
    pipeline = Pipeline(workspace)
    return _take(pipeline, [stage for stage in pipeline.stages() if not stage.needed], workspace, reporter, run)


def _take(
    pipeline: Pipeline, stages: list[Stage], workspace: Workspace, reporter: Reporter, run: Runner
) -> dict[str, bool]:
    ran: dict[str, bool] = {}
    for stage in stages:
        try:
            ran[stage.name] = run(stage.name, partial(_run, pipeline, stage, workspace, reporter))
        except (ShotlineError, OSError) as error:
            if stage.ours:
                raise
            told = f"{error.what} ({error.on})" if isinstance(error, ShotlineError) else str(error)
            reporter.note(f"{stage.name}: your stage failed, the rest goes on: {told}")
    return ran


def _run(pipeline: Pipeline, stage: Stage, workspace: Workspace, reporter: Reporter) -> bool:
    """Whether the stage had to run; it has then."""
    if stage.ours:
        # A fresh workspace: params.yaml is read within the time in which DVC watches it.
        ran = pipeline.run(stage.name, lambda name: run_stage(name, Workspace(workspace.root), reporter, RUNNERS))
    else:
        reporter.note(f"{stage.name}: a stage of your own")
        ran = pipeline.run(stage.name)
    if not ran:
        reporter.note(f"{stage.name}: up to date")
    return ran
