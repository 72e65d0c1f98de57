"""Trains as at an earlier time: the stages run on what was known then, beside the workspace.

Feast's point-in-time join over the view `photo_states` gives the photos that were known; ledger and pool are cut off at
that time. The folder of that time has links to the workspace's photos, so that nothing is copied, and it reads the
workspace's features cache, so that nothing is encoded again. The workspace is not changed.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq

from components.bank import Ledger, LedgerEntry, event_times, made_from, states
from components.classifier.facts import BundleFacts, saved_version
from components.errors import ShotlineError, UserInputError
from components.files import json_text, write_text
from components.ingest import cut_label_words
from components.live import Version, Versions
from components.live.photo_history import photo_history_file, write_photo_history
from components.pool import Pool
from components.stages.reporter import Reporter
from components.stages.run import run_stage
from components.store import PhotoState, PhotoStates
from components.workspace import Workspace

__all__ = ["AsOf", "linked_photos", "parse_time", "train_as_of"]

_STAGES = ("ingest", "validate", "features", "ldc", "classifier", "liteembed", "evaluate")
_KEPT = ("models/bundle", "models/bank", "reports", "params.yaml")
_TEXT_LISTS = (".csv", ".tsv", ".txt")


@dataclass(frozen=True)
class AsOf:
    """The result of a training as at an earlier time.

    Attributes:
        time: the time that was asked for, ISO 8601 in UTC.
        folder: with `bundle`, `bank`, `reports` and `params.yaml`.
        bundle: version of the bundle.
        photos: known then in `data/raw`.
        added: names of the added classes at that time.
        live: the live version that has the same bundle and bank, bit for bit; empty if none has.
        live_bundle: whether a live version has the same bundle, bit for bit.
    """

    time: str
    folder: Path
    bundle: str
    photos: int
    added: tuple[str, ...]
    live: str
    live_bundle: bool


def parse_time(text: str) -> datetime:
    """A time in UTC from ISO 8601; without a zone it is UTC, and a date alone means the end of that day.

    Raises:
        UserInputError: it is no time, or lies in the future.
    """
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UserInputError(
            f"{text!r} is no time", on="--as-of", remedy="give a date or a time: 2026-01-31, 2026-01-31T18:00+01:00"
        ) from None
    if len(text) <= len("2026-01-31"):
        time = time.replace(hour=23, minute=59, second=59, microsecond=999_999)
    time = time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    now = datetime.now(UTC)
    if time.date() > now.date():
        raise UserInputError(f"{text} is still to come", on="--as-of", remedy="give a time of the past")
    return min(time, now)


def train_as_of(workspace: Workspace, time: datetime, reporter: Reporter) -> AsOf:
    """Train on what was known at that time, into `reports/as_of/TIME`; call it within the workspace's turn.

    The parameters are those of the live version of that time, or today's if there was none.

    Raises:
        UserInputError: nothing was known yet, or photos of that time were purged or dropped.
    """
    entries = Ledger(workspace.ledger).entries()
    known = sum(event <= time for event in event_times(entries))
    write_photo_history(workspace)
    states_then = PhotoStates(workspace.feature_store).at(_all_photos(workspace), time)
    _check(workspace, entries[:known], entries[known:], states_then, time)
    target = workspace.reports / "as_of" / time.strftime("%Y-%m-%dT%H-%M-%SZ")
    with _day(workspace, entries[:known], entries[known:], states_then, time) as day:
        for name in _STAGES:
            run_stage(name, day, reporter)
        if target.exists():
            shutil.rmtree(target)
        target.mkdir(parents=True)
        for name in _KEPT:
            shutil.move(day.root / name, target / Path(name).name)
    bundle = saved_version(target / "bundle") or ""
    versions = Versions(workspace.live)
    same = [version for version in versions.all() if version.bundle == bundle]
    bank = (target / "bank/bank.json").read_bytes()
    live = next((each.name for each in same if (versions.path(each) / "bank/bank.json").read_bytes() == bank), "")
    added = states(entries[:known], frozenset(BundleFacts.read(target / "bundle").class_names))[-1].classes
    photos = sum(state.in_raw for state in states_then.values())
    return AsOf(time.isoformat(), target, bundle, photos, tuple(added), live, bool(same))


def _all_photos(workspace: Workspace) -> list[str]:
    table = pq.read_table(photo_history_file(workspace), columns=["image_id"])
    return sorted(set(table["image_id"].to_pylist()))


def _check(
    workspace: Workspace,
    entries: list[LedgerEntry],
    later: list[LedgerEntry],
    states_then: Mapping[str, PhotoState],
    time: datetime,
) -> None:
    if not any(state.in_raw for state in states_then.values()):
        raise UserInputError(
            f"no photo was known at {time:%Y-%m-%d %H:%M} UTC",
            on=str(workspace.raw),
            remedy="give a later time; ingest.since in params.yaml is the time of photos that were there from the start",
        )
    needed = made_from(entries, frozenset(), len(entries))
    purged = needed & {photo for entry in later if entry.action == "purge" for photo in entry.photos}
    if purged:
        raise UserInputError(
            f"{len(purged)} photos that were known then were purged since",
            on=str(workspace.arrivals),
            remedy="give a time before they came, or after they were purged",
        )
    added = {photo: each.name for each in states(entries, frozenset())[-1].classes.values() for photo in each.photos}
    joined = {photo: state.added_class for photo, state in states_then.items() if state.added_class}
    if added != joined:
        raise ShotlineError(
            f"ledger and feature store disagree on {len(added.items() ^ joined.items())} photos",
            on=str(photo_history_file(workspace)),
            remedy="remove that file and data/feature_store/registry.db, and try again",
        )


@contextmanager
def _day(
    workspace: Workspace,
    entries: list[LedgerEntry],
    later: list[LedgerEntry],
    states_then: Mapping[str, PhotoState],
    time: datetime,
) -> Iterator[Workspace]:
    """A temporary workspace as it was at that time."""
    workspace.reports.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".as_of.", dir=workspace.reports) as scratch:
        day = Workspace(Path(scratch))
        for name in ("dvc.yaml", "versions.yaml"):
            shutil.copyfile(workspace.root / name, day.root / name)
        shutil.copyfile(_parameters(workspace, time), day.root / "params.yaml")
        for path in (day.arrivals, day.pool, day.models):
            path.mkdir(parents=True)
        if workspace.class_names.is_file():
            shutil.copyfile(workspace.class_names, day.class_names)
        workspace.features_cache.mkdir(exist_ok=True)
        day.features_cache.symlink_to(workspace.features_cache)
        for path in (workspace.models / "embedded", workspace.checkpoints):
            (day.models / path.name).symlink_to(path)
        (day.arrivals / "photos").symlink_to(workspace.arrivals / "photos")
        (day.pool / "photos").symlink_to(workspace.pool / "photos")
        lines = (json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries)
        write_text(day.ledger, "".join(lines))
        _cut_pool(workspace, day, states_then)
        came_later = {photo for entry in later if entry.action == "consolidate" for photo in entry.photos}
        linked_photos(workspace.raw, day.raw, came_later - {id_ for id_, state in states_then.items() if state.in_raw})
        cut_label_words(day.raw, time)
        yield day


def _parameters(workspace: Workspace, time: datetime) -> Path:
    """The parameters of the bundle that was live at that time."""
    versions = Versions(workspace.live)

    def made(version: Version) -> datetime:
        return datetime.fromisoformat(version.made).astimezone(UTC)

    known = [version for version in versions.all() if made(version) <= time]
    if known:
        first = next(version for version in known if version.bundle == known[-1].bundle)
        if (versions.path(first) / "params.yaml").is_file():
            return versions.path(first) / "params.yaml"
    return workspace.root / "params.yaml"


def _cut_pool(workspace: Workspace, day: Workspace, states_then: Mapping[str, PhotoState]) -> None:
    """The index of the pool's photos at that time."""
    pool = Pool(workspace.pool)
    had = {photo for photo, state in states_then.items() if state.in_pool}
    lines = (workspace.pool / "index.jsonl").read_text(encoding="utf-8").splitlines() if had else []
    kept = [line for line, each in zip(lines, pool.photos(), strict=True) if each.photo in had] if had else []
    write_text(day.pool / "index.jsonl", "".join(f"{line}\n" for line in kept))


def linked_photos(raw: Path, target: Path, left_out: Collection[str]) -> None:
    """The photo folder without the photos of later consolidations, which are named by their content."""
    for here, _, names in os.walk(raw):
        folder = target / Path(here).relative_to(raw)
        folder.mkdir(parents=True)
        for name in names:
            if Path(name).stem in left_out:
                continue
            if Path(here) == raw and left_out and _shortened(raw / name, folder / name, left_out):
                continue
            _link(Path(here, name), folder / name)
    for folder in sorted((path for path in target.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()) and any((raw / folder.relative_to(target)).iterdir()):
            folder.rmdir()


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:  # another disk, or one without links
        shutil.copy2(source, target, follow_symlinks=False)


def _shortened(path: Path, target: Path, left_out: Collection[str]) -> bool:
    """Write a list of photos without the rows of these; False if it has none of them or is no list."""
    if path.suffix.lower() in _TEXT_LISTS:
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not any(photo.encode() in line for photo in left_out)]
        if len(kept) < len(lines):
            target.write_bytes(b"".join(kept))
            return True
    elif path.suffix.lower() == ".json":
        content = json.loads(path.read_bytes())
        if isinstance(content, dict):
            kept_rows = {
                split: [row for row in rows if Path(str(row[0])).stem not in left_out]
                for split, rows in content.items()
                if isinstance(rows, list)
            }
            target.write_text(json_text(kept_rows), encoding="utf-8")
            return True
    return False
