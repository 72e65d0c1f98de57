"""The pipeline of `dvc.yaml`, walked in this process: DVC decides whether a stage runs, and records what it did.

`dvc repro` walks the same stages through `shotline stage NAME`; both leave the same files, `dvc.lock` included.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ShotlineError, UserInputError
from components.files import write_text
from components.ingest import unreadable_paths
from components.live import Change
from components.live.opening import LiveWorkspace
from components.stages import Reporter, check_parameters, run_stage
from components.workspace import Workspace, check_stage_versions

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

__all__ = ["Call", "Pipeline", "plainly", "run_stages", "told_of_bundle", "walk"]

Call = Callable[[str, Callable[[str], bool]], object]
"""How a stage's function is called with its name; a flow makes a task of it."""


def plainly(name: str, run: Callable[[str], bool]) -> object:
    """Call a stage's function, and that is all; see `Call`."""
    return run(name)


def walk(workspace: Workspace, reporter: Reporter, call: Call = plainly) -> dict[str, bool]:
    """Run what DVC says must run, and make live what came of it.

    Args:
        workspace: whose pipeline.
        reporter: hears of progress.
        call: see `Call`.

    Returns:
        Stage name to whether it ran (False: it was up to date).
    """
    check_stage_versions(workspace)
    check_parameters(workspace)
    live = LiveWorkspace(Workspace(workspace.root))
    with live.consolidation.turn():
        if live.consolidation.unsettled:
            kept = live.consolidation.settle()
            reporter.note(f"a consolidation that was cut off was {'completed' if kept else 'taken back'}")
        ran = run_stages(workspace, reporter, call)
        live.consolidation.done()
        change = live.changes.adopt(workspace.bundle, live.stamp())
    if change is not None:
        reporter.note(f"live: {change.version.name}")
        for line in told_of_bundle(change):
            reporter.note(line)
    return ran


def told_of_bundle(change: Change) -> list[str]:
    """What people should know of a bundle that took the place of one, a line each."""
    verdict = change.bundle_verdict
    if verdict is None or change.version.bundle == change.before.bundle:
        return []
    return [
        verdict.told,
        *(f"beware: {reason}" for reason in verdict.refusals),
        f"back: shotline rollback {change.before.name}",
    ]


def run_stages(workspace: Workspace, reporter: Reporter, call: Call = plainly) -> dict[str, bool]:
    """Take every stage in order: run what DVC says must run. What is live stays; see `walk` for the arguments."""
    pipeline = Pipeline(workspace)
    pipeline.track_sources()
    ran: dict[str, bool] = {}

    def run(name: str) -> bool:
        # A fresh workspace: params.yaml is read within the time in which DVC watches it.
        ran[name] = pipeline.run(name, lambda stage: run_stage(stage, Workspace(workspace.root), reporter))
        if not ran[name]:
            reporter.note(f"{name}: up to date")
        return ran[name]

    for name in pipeline.stages():
        call(name, run)
    return ran


class Pipeline:
    """The stages of a workspace, in an order that respects what each reads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def stages(self) -> list[str]:
        """Names of the stages, first to last."""
        import networkx

        with self._repository() as repo:
            ordered = networkx.dfs_postorder_nodes(repo.index.graph)
            return [stage.name for stage in ordered if stage.cmd]

    def track_sources(self) -> None:
        """Have DVC track `data/raw`, the arrivals and the checkpoints as they are now (`dvc add`).

        Raises:
            UserInputError: there are no photos.
        """
        if not self._workspace.raw.is_dir():
            raise UserInputError(
                "there are no photos yet", on=str(self._workspace.raw), remedy="give them: shotline train DATA"
            )
        self._pass_over_links()
        with self._repository() as repo:
            repo.add([str(path) for path in self._sources()])

    def run(self, name: str, execute: Callable[[str], object]) -> bool:
        """Run the stage `name` by `execute(name)` if DVC says that it must be, and record the result.

        What a stage reads is hashed before it runs and again before it is recorded: what arrived in between was not
        seen by the stage and must not be written down as if it had been.

        Returns:
            True when the stage ran, False when it was up to date or DVC restored its outputs from an earlier run.

        Raises:
            UserInputError: something that the stage reads changed while it ran; nothing is recorded.
        """
        with self._repository() as repo:
            with repo.lock:
                stage = _stage(repo, name)
                if not stage.changed():
                    return False
                # On an object of its own: restoring compares what dvc.lock says with what is there.
                before = _hashes(_stage(repo, name))
            with _at_work(repo, stage):
                with repo.lock:
                    stage.remove_outs(ignore_remove=False, force=False)
                    restored = _restored(repo, stage)
                if not restored:
                    execute(name)
            with repo.lock:
                after = _hashes(stage)
                if changed := sorted(path for path in before if before[path] != after[path]):
                    raise UserInputError(
                        f"changed while the stage {name} was running, so its result was not recorded",
                        on=", ".join(changed),
                        remedy="run again; what has changed will be seen",
                    )
                stage.save_outs()
                stage.md5 = stage.compute_md5()
                repo.stage_cache.save(stage)
                stage.commit()
                stage.dump(update_pipeline=False)
            return not restored

    def _pass_over_links(self) -> None:
        """Have DVC pass over what ingest will quarantine and DVC would follow out, wait for, or stop at."""
        ignored = self._workspace.root / "data/.dvcignore"
        paths = unreadable_paths(self._workspace.raw.resolve())
        if paths:
            write_text(ignored, "".join(f"/raw/{re.sub(r'([^A-Za-z0-9/])', _escaped, path)}\n" for path in paths))
        else:
            ignored.unlink(missing_ok=True)

    def _sources(self) -> list[Path]:
        """The photos, and what lies in the folders that git has, each by itself: git may not have what DVC tracks."""
        sources = [self._workspace.raw]
        for folder in (self._workspace.arrivals, self._workspace.checkpoints):
            folder.mkdir(exist_ok=True)
            sources += sorted(path for path in folder.iterdir() if path.suffix != ".dvc" and path.name[0] != ".")
        return sources

    @contextlib.contextmanager
    def _repository(self) -> Iterator[Repo]:
        from dvc.exceptions import DvcException, NotDvcRepoError
        from dvc.lock import LockError
        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.WARNING)  # "run git add ..." after each stage helps nobody here
        try:
            # DVC reads the paths of dvc.yaml from the current folder.
            with contextlib.chdir(self._workspace.root), warnings.catch_warnings():
                # DVC's own, of libraries beneath it
                warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"dvc\.")
                with Repo() as repo, repo.scm_context(quiet=True):
                    yield repo
        except NotDvcRepoError as error:
            raise UserInputError(
                "the workspace has no DVC repository", on=str(self._workspace.root), remedy="run `dvc init` there"
            ) from error
        except LockError as error:
            raise UserInputError(
                "another run or dvc command is at work here", on=str(self._workspace.root), remedy="wait for it to end"
            ) from error
        except DvcException as error:
            raise ShotlineError(
                f"DVC failed: {error}", on=str(self._workspace.root), remedy="see what `dvc status` says"
            ) from error


def _escaped(letter: re.Match[str]) -> str:
    # A line's end and bytes that are no text cannot be written down.
    return "?" if letter[0] in "\r\n" or "\ud800" <= letter[0] <= "\udfff" else f"\\{letter[0]}"


def _stage(repo: Repo, name: str) -> PipelineStage:
    # An index read earlier may know an older dvc.lock.
    repo._reset()
    (stage,) = repo.stage.collect(name)
    return stage


def _restored(repo: Repo, stage: PipelineStage) -> bool:
    """Whether DVC's cache held a run of the same stage on the same inputs; its outputs are then in place."""
    from dvc.stage.cache import RunCacheNotFoundError

    try:
        repo.stage_cache.restore(stage)
    except RunCacheNotFoundError:
        return False
    return True


def _hashes(stage: PipelineStage) -> dict[str, Any]:
    """Hash what the stage reads, into the stage (to be recorded) and as path to hash (to be compared)."""
    stage.save_deps()
    return {str(dependency): dependency.hash_info.to_dict() for dependency in stage.deps}


@contextlib.contextmanager
def _at_work(repo: Repo, stage: PipelineStage) -> Iterator[None]:
    """DVC's own lock on what the stage reads and writes, held while it runs: other dvc commands may read the rest."""
    from dvc.rwlock import rwlock

    reads = [dependency.fs_path for dependency in stage.deps if dependency.protocol == "local"]
    writes = [output.fs_path for output in stage.outs]
    hardlink = repo.config["core"].get("hardlink_lock", False)
    # DVC knows the holder of a lock by its process and this string: its own methods must find themselves in it.
    holder = " ".join(sys.argv)
    with rwlock(repo.tmp_dir, repo.fs, holder, reads, writes, hardlink):
        yield
