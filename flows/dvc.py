"""What DVC knows of a workspace: its stages, whether each must run, and what it recorded. No other file uses DVC.

DVC has no public door for this: `dvc.api` reads data, and `Repo.reproduce(single_item=True)` runs commands, holding the
repository's lock while they do, so that nobody could ask `dvc status` during a training. So parts of its inside are used;
`tests/flows/test_dvc_contract.py` holds them to the release that is locked, `tests/flows/test_dvc.py` to what they do.
"""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.errors import ShotlineError, UserInputError
from components.files import write_text
from components.stages import STAGES
from components.workspace import PASSED_ON, Workspace
from flows.own_command import run_command
from flows.photo_links import holds_files, unlink_from_cache

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc.stage import PipelineStage

__all__ = ["Pipeline", "Stage"]


@dataclass(frozen=True)
class Stage:
    """A stage of the pipeline.

    Attributes:
        name: as `dvc repro` takes it: `ingest`, `mine@item`, `folder/dvc.yaml:mine`.
        ours: `shotline stage` runs it, under the name that `dvc.yaml` gives it here; else it is the user's own.
        needed: a stage of ours reads, at once or through others, what it writes; or it is one of ours.
    """

    name: str
    ours: bool
    needed: bool


class Pipeline:
    """The stages of a workspace, in an order that respects what each reads."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def stages(self) -> list[Stage]:
        """The stages, first to last."""
        import networkx

        with self._repository() as repo:
            graph = repo.index.graph
            ordered = [stage for stage in networkx.dfs_postorder_nodes(graph) if stage.cmd]
            ours = [stage for stage in ordered if _is_ours(stage)]
            needed = {*ours, *(each for stage in ours for each in networkx.descendants(graph, stage))}
            return [Stage(stage.addressing, stage in ours, stage in needed) for stage in ordered]

    def check(self, *, replacing: bool = False) -> None:
        """See that DVC can record photos and stages here; nothing is changed.

        Args:
            replacing: whether `data/raw` is to be written.

        Raises:
            UserInputError: it cannot: no DVC repository, another command at work, a file of DVC's that is damaged,
                a folder that is a link, photos that git has or a stage of the user's own writes.
        """
        place = self._workspace
        for path in (place.raw.parent, place.raw, place.arrivals, place.pool, place.checkpoints):
            _refuse_link(path, place.root)
        with self._repository() as repo, repo.lock:
            stages = [stage for stage in repo.index.stages if stage.cmd]
            repo.index.graph  # noqa: B018 (a circle is refused)
            _of_git(repo, [*self._sources(), self._workspace.raw])
            if replacing and (writers := _writers(stages, self._workspace.raw)):
                raise UserInputError(
                    f"the stage {writers[0]} of dvc.yaml writes the photos",
                    on=str(self._workspace.raw),
                    remedy="run `shotline train` without DATA, or take that stage out of dvc.yaml",
                )
            for stage in stages:
                stage.changed_stage()  # reads dvc.lock

    @contextlib.contextmanager
    def writing_photos(self) -> Iterator[None]:
        """No DVC command reads or writes `data/raw` within.

        Raises:
            UserInputError: one does.
        """
        with self._repository() as repo, _busy(repo, [], [str(self._workspace.raw)]):
            yield

    def track_sources(self) -> None:
        """Have DVC track `data/raw`, the arrivals and the checkpoints as they are now (`dvc add`).

        Raises:
            UserInputError: there are no photos.
        """
        with self._repository() as repo:
            stages = [stage for stage in repo.index.stages if stage.cmd]
            if not _writers(stages, self._workspace.raw):
                self._check_photos(Path(repo.cache.local.path))
            sources = [path for path in self._sources() if not _writers(stages, path)]
            if sources:
                repo.add([str(path) for path in sources])

    def track_arrivals(self) -> None:
        """Have DVC track the ledger and the photos of arrivals as they are now, and nothing else; raises as `check`."""
        with self._repository() as repo:
            names = [path for path in self._sources() if path.parent == self._workspace.arrivals]
            _of_git(repo, names)
            repo.add([str(path) for path in names])

    def behind(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What lies here otherwise than DVC was told, relative to the workspace; and the stages that it would run anew.

        Raises:
            UserInputError: DVC cannot be asked: another command of it is at work, or one of its files is damaged.
        """
        with self._repository() as repo:
            changed = {stage.addressing: bool(stage.cmd) for stage in repo.index.stages}
            found = [name for name in repo.status() if name in changed]
            untold = [name.removesuffix(".dvc") for name in found if not changed[name]]
            known = {Path(out.fs_path) for out in repo.index.outs}
            fresh = [str(path.relative_to(self._workspace.root)) for path in self._sources() if path not in known]
            return tuple(untold + fresh), tuple(name for name in found if changed[name])

    def _check_photos(self, cache: Path) -> None:
        raw = self._workspace.raw
        if not raw.is_dir():
            raise UserInputError("there are no photos yet", on=str(raw), remedy="give them: shotline train DATA")
        unlink_from_cache(raw, cache)
        refused = self._pass_over_links()
        if not holds_files(raw, refused):
            raise UserInputError(
                "there is no photo: only links that lead nowhere or out of the folder" if refused else "it is empty",
                on=str(raw),
                remedy="put photos there, not links to them, or give them: shotline train DATA",
            )

    def run(self, name: str, execute: Callable[[str], object] | None = None) -> bool:
        """Run the stage `name` if DVC says that it must be, and record the result.

        What a stage reads is hashed before it runs and again before it is recorded: what arrived in between was not
        seen by the stage and must not be written down as if it had been.

        Args:
            name: see `Stage`.
            execute: called with the name; None runs the stage's command, as `dvc repro` does.

        Returns:
            True when the stage ran, False when it was up to date or DVC restored its outputs from an earlier run.

        Raises:
            UserInputError: something that the stage reads changed while it ran; nothing is recorded.
            ShotlineError: its command failed, or it left out one of its outputs.
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
                    if execute is None:
                        self._run_command(stage)
                    else:
                        execute(name)
            with repo.lock:
                stage.save(run_cache=False)
                after = _hashes_of(stage)
                if changed := sorted(path for path in before if before[path] != after[path]):
                    raise UserInputError(
                        f"changed while the stage {name} was running, so its result was not recorded",
                        on=", ".join(changed),
                        remedy="run again; what has changed will be seen",
                    )
                repo.stage_cache.save(stage)
                stage.commit()
                stage.dump(update_pipeline=False)
            return not restored

    def read_at(self, path: str, revision: str) -> str:
        """The text that a tracked file had at a git revision.

        Args:
            path: relative to the workspace.
            revision: a commit, a branch, a tag, or an experiment of DVC's.

        Raises:
            UserInputError: there is no such revision, the file was not tracked there, or its content is not here.
        """
        import dvc.api
        from dvc.exceptions import DvcException
        from dvc.scm import SCMError as NoRevisionError
        from scmrepo.exceptions import SCMError

        root = self._workspace.root
        try:
            text: str = dvc.api.read(path, repo=str(root), rev=revision, encoding="utf-8")
        except (DvcException, NoRevisionError, SCMError, OSError) as error:
            raise UserInputError(
                f"{path} of {revision} cannot be read: {error}",
                on=str(root),
                remedy="name a live version (shotline versions), a folder, or a commit, branch or experiment with answers "
                "(`dvc fetch --all-commits` gets what is not here)",
            ) from error
        return text

    def _run_command(self, stage: PipelineStage) -> None:
        from dvc.stage.run import prepare_kwargs

        lock = self._workspace.root / "data/.consolidation.lock"
        place = prepare_kwargs(stage, {PASSED_ON: str(lock)})
        for command in stage.cmd if isinstance(stage.cmd, list) else stage.cmd.splitlines():
            if code := run_command(command, folder=place["cwd"], environment=place["env"]):
                raise ShotlineError(
                    f"its command ended with {code}: {command}",
                    on=f"the stage {stage.addressing} of {stage.path_in_repo}",
                    remedy="see what it printed; dvc repro runs it alone",
                )

    def _pass_over_links(self) -> list[str]:
        """Have DVC pass over what ingest will quarantine and DVC would follow out, wait for, or stop at."""
        from components.ingest import unreadable_paths  # brings what decodes photos

        ignored = self._workspace.root / "data/.dvcignore"
        paths = unreadable_paths(self._workspace.raw.resolve())
        if paths:
            write_text(ignored, "".join(f"/raw/{re.sub(r'([^A-Za-z0-9/])', _escaped, path)}\n" for path in paths))
        else:
            ignored.unlink(missing_ok=True)
        return paths

    def _sources(self) -> list[Path]:
        """The photos, and what lies in the folders that git has, each by itself: git may not have what DVC tracks."""
        sources = [self._workspace.raw]
        for folder in (self._workspace.arrivals, self._workspace.pool, self._workspace.checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
            sources += sorted(path for path in folder.iterdir() if path.suffix != ".dvc" and path.name[0] != ".")
        return sources

    @contextlib.contextmanager
    def _repository(self) -> Iterator[Repo]:
        from dvc.exceptions import DvcException, NotDvcRepoError
        from dvc.lock import LockError
        from dvc.repo import Repo

        logging.getLogger("dvc").setLevel(logging.WARNING)  # "run git add ..." after each stage helps nobody here
        root = self._workspace.root
        try:
            # DVC reads the paths of dvc.yaml from the current folder.
            with contextlib.chdir(root), warnings.catch_warnings():
                # DVC's own, of libraries beneath it
                warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"dvc\.")
                with Repo(config=_overrides(root)) as repo, repo.scm_context(quiet=True):
                    yield repo
        except NotDvcRepoError as error:
            raise UserInputError(
                "the workspace has no DVC repository",
                on=str(root),
                remedy="run `dvc init` there (`dvc init --no-scm` where there is no git)",
            ) from error
        except LockError as error:
            raise UserInputError(
                "another run or dvc command is at work here",
                on=str(root),
                remedy="wait for it to end; where none runs, remove .dvc/tmp/lock and .dvc/tmp/rwlock",
            ) from error
        except DvcException as error:
            raise _told(error, root) from error


def _told(error: Exception, root: Path) -> ShotlineError:
    from dvc.config import ConfigError
    from dvc.exceptions import CyclicGraphError, OutputDuplicationError, OverlappingOutputPathsError
    from dvc.stage.exceptions import MissingDataSource
    from dvc.utils.serialize import ParseError
    from dvc.utils.strictyaml import YAMLSyntaxError, YAMLValidationError

    if isinstance(error, ParseError | YAMLSyntaxError | YAMLValidationError):
        file = next((name for name in ("dvc.lock", "dvc.yaml") if name in str(error)), "one of DVC's files")
        remedy = (
            "settle the conflict in it, or remove it: DVC then looks anew what must run"
            if file == "dvc.lock"
            else "correct it; `dvc status` says where"
        )
        return UserInputError(f"DVC cannot read {file}: {error}", on=str(root / file), remedy=remedy)
    if isinstance(error, ConfigError):
        return UserInputError(str(error), on=str(root / ".dvc/config"), remedy="correct DVC's settings: dvc config")
    if isinstance(error, CyclicGraphError | OutputDuplicationError | OverlappingOutputPathsError):
        return UserInputError(
            str(error), on=str(root / "dvc.yaml"), remedy="have each file written by one stage, and none in a circle"
        )
    if isinstance(error, MissingDataSource):
        return ShotlineError(str(error), on=str(root), remedy="have the stage write it, or take it out of dvc.yaml")
    return ShotlineError(f"DVC failed: {error}", on=str(root), remedy="see what `dvc status` says")


def _overrides(root: Path) -> dict[str, Any]:
    """Settings of DVC's that would stand in the way, changed for this process alone.

    Photos stay files: ingest refuses links that lead out of the photo folder, as those into DVC's cache do. Without git
    DVC works all the same.
    """
    from dvc.config import Config

    overrides: dict[str, Any] = {}
    # As a mere path it may be missing, or hold what DVC refuses: it says so itself.
    with contextlib.suppress(Exception):
        types = Config(str(root / ".dvc")).get("cache", {}).get("type")
        if types:
            overrides["cache"] = {"type": [*(each for each in types if each not in ("symlink", "copy")), "copy"]}
    if not any((folder / ".git").exists() for folder in (root, *root.parents)):
        overrides["core"] = {"no_scm": True}
    return overrides


def _refuse_link(path: Path, root: Path) -> None:
    if path.is_symlink():
        target = path.resolve()
        raise UserInputError(
            f"the folder is a link to {target}, and DVC cannot record what lies behind one; nothing was changed",
            on=str(path),
            remedy=f"remove the link (rm {path.relative_to(root)}), then shotline train {target} copies the photos; "
            "to have them on that disk, move the whole workspace there"
            if path.name == "raw"
            else "put the folder itself there; to have it on that disk, move the whole workspace there",
        )


def _of_git(repo: Repo, paths: list[Path]) -> None:
    if tracked := [path for path in paths if path.exists() and repo.scm.is_tracked(str(path))]:
        names = " ".join(dict.fromkeys(str(path.relative_to(repo.root_dir)) for path in tracked))
        raise UserInputError(
            "git has them, so DVC cannot record them; nothing was changed",
            on=names,
            remedy=f'have git let go of them, the files stay: git rm -r --cached {names} && git commit -m "DVC has them"',
        )


def _writers(stages: list[PipelineStage], path: Path) -> list[str]:
    return [
        stage.addressing
        for stage in stages
        for output in stage.outs
        if output.protocol == "local" and Path(output.fs_path) == path
    ]


def _is_ours(stage: PipelineStage) -> bool:
    own = stage.path_in_repo == "dvc.yaml" and stage.name in STAGES
    program, *arguments = str(stage.cmd).split()
    return own and Path(program).name == "shotline" and arguments == ["stage", stage.name]


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
    return _hashes_of(stage)


def _hashes_of(stage: PipelineStage) -> dict[str, Any]:
    return {str(dependency): dependency.hash_info.to_dict() for dependency in stage.deps}


@contextlib.contextmanager
def _at_work(repo: Repo, stage: PipelineStage) -> Iterator[None]:
    """DVC's own lock on what the stage reads and writes, held while it runs: other dvc commands may read the rest."""
    reads = [dependency.fs_path for dependency in stage.deps if dependency.protocol == "local"]
    writes = [output.fs_path for output in stage.outs]
    with _busy(repo, reads, writes):
        yield


@contextlib.contextmanager
def _busy(repo: Repo, reads: list[str], writes: list[str]) -> Iterator[None]:
    from dvc.rwlock import rwlock

    hardlink = repo.config["core"].get("hardlink_lock", False)
    # DVC knows the holder of a lock by its process and this string: its own methods must find themselves in it.
    holder = " ".join(sys.argv)
    with rwlock(repo.tmp_dir, repo.fs, holder, reads, writes, hardlink):
        yield
