"""Changes to a workspace's classes over HTTP, in a process of their own.

Adding a class takes seconds of computing, which must slow neither the edge's loop nor the classifier. So the edge
starts this process at the first change and keeps it: backbone and vocabulary stay loaded. It calls the same functions
as the command line; its errors reach the edge as a `ShotlineError`.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Sequence
from multiprocessing import parent_process
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from components.workspace import Workspace

if TYPE_CHECKING:
    from components.live import Change
    from components.live.opening import LiveWorkspace

__all__ = [
    "add_class",
    "end_with_parent",
    "follow_up",
    "live_part",
    "remove_class",
    "rename_class",
    "roll_back",
    "warm",
]

_open: dict[Path, tuple[object, LiveWorkspace]] = {}  # this process keeps it


def end_with_parent() -> None:
    """Have the system end this process when its parent ends for any reason."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def warm(root: Path) -> None:
    """Load backbone and vocabulary, for which the first change would wait; nothing is loaded if nothing is live."""
    live = live_part(root)
    if live.versions.current_name() is not None:
        live.warm()


def add_class(root: Path, name: str, photos: Sequence[tuple[str | None, bytes]], force: bool) -> dict[str, Any]:
    """Add a class, or photos to one; into `data/raw` where nothing is live yet.

    Args:
        root: the workspace's folder.
        name: of the class, in words.
        photos: sent name and bytes of each.
        force: overrule the gate.

    Returns:
        `components.live.telling.outcome_json` with `told`, lines for people. If nothing is live yet: `class`, `photos`
        (its number of photos now), `refused_photos`, and `version` None.

    Raises:
        UserInputError: the name or the photos cannot be used.
        RefusedByGateError: it would do harm.
    """
    from components.live.arrivals import add
    from components.live.telling import explain_outcome, outcome_json

    shown = [given or f"photo {number}" for number, (given, _) in enumerate(photos, 1)]
    live = live_part(root)
    if live.versions.current_name() is None:
        return _first_photos(root, name, [*zip(shown, (content for _, content in photos), strict=True)])
    with tempfile.TemporaryDirectory(prefix="shotline-") as folder:
        # A name from outside must not become a path.
        files = {Path(folder) / f"{number:04}": name for number, name in enumerate(shown)}
        for path, (_, content) in zip(files, photos, strict=True):
            path.write_bytes(content)
        outcome = add(Workspace(root), {name: [*files]}, force=force, live=live)
    called = {str(path): name for path, name in files.items()}
    outcome = outcome.called_otherwise(lambda path: called.get(path, path))
    follow_up(root)
    return {**outcome_json(outcome), "told": explain_outcome(outcome).splitlines()}


def remove_class(root: Path, name: str) -> dict[str, Any]:
    """Remove an added class, or a trained one's waiting photos; `version` and `before`. Raises as `Changes.remove`."""
    live = live_part(root)
    if live.versions.current_name() is None:
        from components.live.first_photos import FirstPhotos

        aside = FirstPhotos(Workspace(root)).remove(name)
        return {"version": None, "before": None, "aside": aside.relative_to(root).as_posix()}
    return _moved(root, live.changes.remove(name, live.stamp()))


def rename_class(root: Path, name: str, new_name: str) -> dict[str, Any]:
    """Rename an added class; `version` and `before`. Raises as `Changes.rename`."""
    live = live_part(root)
    if live.versions.current_name() is None:
        from components.live.first_photos import FirstPhotos

        return {"version": None, "before": None, "class": FirstPhotos(Workspace(root)).rename(name, new_name)}
    return _moved(root, live.changes.rename(name, new_name, live.stamp()))


def roll_back(root: Path, version: str | None) -> dict[str, Any]:
    """Make an earlier version live again; `version` and `before`. Raises as `Changes.roll_back`."""
    live = live_part(root)
    return _moved(root, live.changes.roll_back(live.stamp(), version))


def _first_photos(root: Path, name: str, photos: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    from components.live.first_photos import FirstPhotos

    name, n_photos, refused = FirstPhotos(Workspace(root)).add(name, photos)
    return {
        "version": None,
        "before": None,
        "class": name,
        "photos": n_photos,
        "refused_photos": [{"path": error.on, "reason": error.reason} for error in refused],
        "told": [
            *(f"not used: {error.on}: {error.what}" for error in refused),
            f"{name}: {n_photos} photos wait for the training",
        ],
    }


def _moved(root: Path, change: Change) -> dict[str, Any]:
    follow_up(root)
    return {"version": change.version.name, "before": change.before.name}


def follow_up(root: Path) -> None:
    """Update Feast and tell DVC after a change, as after a command, in processes of their own."""
    from components.live.keeping_online import keep_online
    from components.live.keeping_tracked import keep_tracked

    keep_online(Workspace(root))
    keep_tracked(Workspace(root))


def live_part(root: Path) -> LiveWorkspace:
    """The workspace's live part, opened again if its parameters have changed."""
    from components.live.opening import LiveWorkspace

    changed = (root / "params.yaml").stat().st_mtime_ns
    if root not in _open or _open[root][0] != changed:
        _open[root] = changed, LiveWorkspace.open(Workspace(root))
    live = _open[root][1]
    if live.versions.current_name() is None:  # trained since: the stages' bundle must be made live
        live = LiveWorkspace.open(Workspace(root))
        _open[root] = changed, live
    return live
