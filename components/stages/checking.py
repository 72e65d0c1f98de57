"""The checks of photos over what lies beside `data/raw`: added classes' photos, the pool, or any folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from components.bank import ArrivalPhotos, Ledger
from components.bank.history import states
from components.errors import UserInputError
from components.ingest import IngestSettings, Limits
from components.ingest.manifest import Photo, examine
from components.ingest.sources import Entry
from components.leftovers import is_left_behind
from components.pool import Pool
from components.stages.reporter import Reporter
from components.validate import ExpectationResult, StoredPhoto, ValidateSettings, check_stored, own_actions
from components.workspace import Workspace

__all__ = ["check_photos"]


def check_photos(workspace: Workspace, reporter: Reporter, folder: Path | None = None) -> list[ExpectationResult]:
    """What came of each check, made by Great Expectations.

    Args:
        workspace: whose limits, expectations and actions.
        reporter: hears of progress.
        folder: photos that are not in the workspace yet, in a folder a class or not; None: those of the arrivals that
            are live or wait, and those of the pool.

    Raises:
        UserInputError: there is no photo.
    """
    root = workspace.root if folder is None else folder.resolve()
    entries = list(_in_workspace(workspace) if folder is None else _in_folder(root))
    if not entries:
        told = "neither the arrivals nor the pool hold a photo" if folder is None else "the folder holds no photo"
        raise UserInputError(told, on=str(root), remedy="name a folder with photos: shotline check FOLDER")
    limits = workspace.parameters.section("ingest", IngestSettings).limits
    photos = []
    for number, entry in enumerate(entries, 1):
        photos.append(_measured(root, entry, limits))
        reporter.progress(number, len(entries), "photos read")
    return check_stored(
        photos,
        workspace.parameters.section("validate", ValidateSettings),
        workspace.own_expectations,
        own_actions(workspace.own_actions),
    )


def _in_workspace(workspace: Workspace) -> Iterator[Entry]:
    kept = ArrivalPhotos(workspace.arrivals / "photos")
    state = states(Ledger(workspace.ledger).entries(), frozenset())[-1]
    of_classes = {each.name: each.photos for each in state.classes.values()} | state.waiting
    pool = Pool(workspace.pool)
    for name, photos in sorted(of_classes.items()):
        for photo in photos:
            yield Entry(kept.path(photo).relative_to(workspace.root).as_posix(), name, None)
    for pooled in pool.photos():
        yield Entry(pool.path(pooled.photo).relative_to(workspace.root).as_posix(), "", None)


def _in_folder(root: Path) -> Iterator[Entry]:
    for path in sorted(root.rglob("*")):
        inside = path.relative_to(root)
        if path.is_file() and not any(is_left_behind(part) or part.startswith(".") for part in inside.parts):
            yield Entry(inside.as_posix(), inside.parts[0] if len(inside.parts) > 1 else "", None)


def _measured(root: Path, entry: Entry, limits: Limits) -> StoredPhoto:
    found = examine(root, entry, limits)
    if isinstance(found, Photo):
        return StoredPhoto(
            found.path, found.label, found.id, found.width, found.height, found.blur, found.flaw, decode_error=None
        )
    return StoredPhoto(found.path, found.label, None, 0, 0, 0.0, None, decode_error=found.detail)
