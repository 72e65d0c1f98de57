"""The state of a workspace: what is live, what waits, who watches, what is out of date. No model is loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from components.artefacts.metrics import read_metrics
from components.bank.facts import BANK_FACTS
from components.bank.history import states
from components.bank.ledger import Ledger
from components.classifier.facts import read_facts, saved_version
from components.errors import UserInputError
from components.inbox import Inbox
from components.live.online import OnlineClasses
from components.live.training import TrainingFile
from components.live.versions import Version, Versions
from components.live.watchers import Watcher, watchers
from components.store import StoreSettings
from components.workspace import Workspace, stage_changes

__all__ = [
    "Behind",
    "Filed",
    "InboxStanding",
    "LiveStanding",
    "Standing",
    "filed",
    "photos_to_consolidate",
    "standing_of",
]


@dataclass(frozen=True)
class LiveStanding:
    """The classifier that answers.

    Attributes:
        version: name of the version.
        since: when it became live, ISO 8601 in UTC.
        head: of its bundle.
        trained: how many classes the bundle knows.
        added: how many classes were added beside it.
        top1: share of the measured photos that it answers rightly, 0 to 1; None if it was not measured.
        evidence: `query` or `out_of_fold`; empty if it was not measured.
        measured: number of measured photos.
    """

    version: str
    since: str
    head: str
    trained: int
    added: int
    top1: float | None
    evidence: str
    measured: int


@dataclass(frozen=True)
class Filed:
    """The content of `.done` or `.rejected`: number of files, and their bytes."""

    files: int
    size_bytes: int


@dataclass(frozen=True)
class InboxStanding:
    """An inbox.

    Attributes:
        path: the folder.
        trouble: why it cannot be read; empty if it can.
        photos: number of photos that wait in it.
        classes: number of folders in which they lie.
        done: the taken files.
        rejected: the refused files.
        watchers: processes that watch it or have watched it.
    """

    path: str
    trouble: str
    photos: int
    classes: int
    done: Filed
    rejected: Filed
    watchers: tuple[Watcher, ...]


@dataclass(frozen=True)
class Behind:
    """The parts that are not up to date with the live version.

    Attributes:
        feast: why the online store does not hold what is live, as far as known; empty if it does.
        unpublished: version of the bundle that `dvc repro` left in `models/bundle`; empty if it is live.
        stage_versions: what `shotline upgrade` would bring up to date, a line each.
        untracked: files and folders that DVC does not track as they are.
        stages: stages that would run anew.
        dvc: why DVC could not be asked; empty if it was.
    """

    feast: str = ""
    unpublished: str = ""
    stage_versions: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    dvc: str = ""


@dataclass(frozen=True)
class Standing:
    """The state of a workspace.

    Attributes:
        workspace: its folder.
        identity: see `Workspace.identity`.
        live: the live classifier; None if nothing is live.
        training: state of the last training: `none`, `starting`, `running`, `done`, `failed` or `stopped`.
        stage: the stage that is running; empty if none is.
        to_consolidate: photos that are not in `data/raw`, by class.
        pool: photos without a label.
        to_review: photos of the pool on which nobody has given a word in a review.
        inboxes: the inboxes that were asked for, and those that are or were watched.
        behind: see `Behind`.
    """

    workspace: str
    identity: str
    live: LiveStanding | None
    training: str
    stage: str
    to_consolidate: dict[str, int]
    pool: int
    to_review: int
    inboxes: tuple[InboxStanding, ...]
    behind: Behind

    def to_json(self) -> dict[str, Any]:
        """For scripts: the attributes, after `format`, which is 1."""
        return {"format": 1, **asdict(self)}


def standing_of(workspace: Workspace, inboxes: Sequence[Path] = ()) -> Standing:
    """The state of the workspace, as far as it is known without DVC.

    Args:
        workspace: see `Workspace`.
        inboxes: further inboxes, besides those of its watchers.
    """
    from components.pool import Pool

    versions = Versions(workspace.live)
    version = versions.current()
    pooled = Pool(workspace.pool).photos()
    known = watchers(workspace)
    paths = dict.fromkeys([*(str(path.resolve()) for path in inboxes), *(each.inbox for each in known)])
    training = TrainingFile(workspace).read()
    return Standing(
        workspace=str(workspace.root),
        identity=workspace.identity,
        live=None if version is None else _live(workspace, versions, version),
        training=training["state"],
        stage=training["stages"][-1]["stage"] if training.get("stages") and training["state"] == "running" else "",
        to_consolidate=photos_to_consolidate(workspace),
        pool=len(pooled),
        to_review=sum(not each.word for each in pooled),
        inboxes=tuple(_inbox(path, [each for each in known if each.inbox == path]) for path in paths),
        behind=Behind(
            feast=_feast(workspace),
            unpublished=versions.not_live(workspace.bundle) or "",
            stage_versions=tuple(change.told for change in stage_changes(workspace)),
        ),
    )


def _live(workspace: Workspace, versions: Versions, version: Version) -> LiveStanding:
    bundle, bank = versions.facts(version)
    pointer = versions.pointer()
    shipped, data = _measured(workspace, versions, version)
    query = int(data.get("query") or 0)
    return LiveStanding(
        version=version.name,
        since=(pointer.moved if pointer else "") or version.made,
        head=str(read_facts(versions.path(version) / "bundle").get("provenance", {}).get("head", "")),
        trained=len(bundle.class_names),
        added=len(bank.classes),
        top1=shipped.get("top1"),
        evidence="" if not shipped else "query" if query else "out_of_fold",
        measured=query or int(data.get("support", 0)),
    )


def _measured(workspace: Workspace, versions: Versions, version: Version) -> tuple[dict[str, Any], dict[str, Any]]:
    """`shipped` and `data` of `reports/metrics.json`, empty if they are not of that version."""
    folder = versions.path(version)
    try:
        banks = [(each / BANK_FACTS).read_bytes() for each in (folder / "bank", workspace.bank)]
        if saved_version(workspace.bundle) != version.bundle or banks[0] != banks[1]:
            return {}, {}
        metrics = read_metrics(workspace.reports)
        return metrics["shipped"], metrics["data"]
    except (OSError, ValueError, KeyError, UserInputError):
        return {}, {}


def photos_to_consolidate(workspace: Workspace) -> dict[str, int]:
    """Photos that are in the arrivals and not in `data/raw`, by class."""
    versions = Versions(workspace.live)
    version = versions.current()
    trained = frozenset(() if version is None else versions.facts(version)[0].class_names)
    state = states(Ledger(workspace.ledger).entries(), trained)[-1]
    photos = {each.name: each.photos for each in state.classes.values()} | state.waiting
    return {name: len(those) for name, those in photos.items()}


def _inbox(path: str, known: Sequence[Watcher]) -> InboxStanding:
    trouble, arrivals = "", []
    try:
        arrivals = Inbox(Path(path)).look()
    except (UserInputError, OSError) as error:
        trouble = error.what if isinstance(error, UserInputError) else error.strerror or str(error)
    return InboxStanding(
        path,
        trouble,
        photos=sum(len(arrival.takable) for arrival in arrivals),
        classes=sum(bool(arrival.name) for arrival in arrivals),
        done=filed(Path(path) / ".done"),
        rejected=filed(Path(path) / ".rejected"),
        watchers=tuple(known),
    )


def filed(folder: Path) -> Filed:
    """The files under `folder`, at any depth; none if the folder is missing."""
    sizes = [
        os.lstat(os.path.join(here, name)).st_size  # noqa: PTH118 (a hundred thousand of them)
        for here, _, files in os.walk(folder)
        for name in files
    ]
    return Filed(len(sizes), sum(sizes))


def _feast(workspace: Workspace) -> str:
    online = OnlineClasses(workspace)
    if not workspace.parameters.section("feature_store", StoreSettings).online or not online.is_behind():
        return ""
    return online.failure() or "not written yet"
