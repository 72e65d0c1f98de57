"""What other processes do to a workspace's live part, and where they are killed; imported once, by the fork server."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from components.bank import ArrivalPhotos, Ledger
from components.live import Changes, Versions
from tests.support.live_place import Place, stamp

BEFORE, AFTER = "before", "after"
POINTS: dict[str, tuple[type, str, str]] = {
    "the photos are kept": (ArrivalPhotos, "keep", AFTER),
    "the ledger's line is written": (Ledger, "append", AFTER),
    "the version is published": (Versions, "publish", AFTER),
    "the pointer moves": (Versions, "point_to", BEFORE),
    "the pointer has moved": (Versions, "point_to", AFTER),
}
"""Where a process may be killed: a method, before or after it."""


def killed(root: Path, point: str, change: Callable[[Place], object]) -> None:
    """Make the change, and be killed by `kill -9` at that point."""
    owner, name, when = POINTS[point]
    real = getattr(owner, name)

    def die(*arguments: Any, **options: Any) -> Any:
        if when == AFTER:
            real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)
    change(Place(root))


def add_rust(place: Place) -> Changes | object:
    """Two photos, kept as the command line keeps them, and the class."""
    kept = ArrivalPhotos(place.ledger.path.parent / "photos")
    for content in (b"rust one", b"rust two"):
        kept.keep(content)
    return place.changes.add({"rust": ("rust-1", "rust-2")}, stamp())


def consolidate_rust(place: Place) -> object:
    """The bundle that lies there was trained on it."""
    return place.changes.consolidate(place.bundle_folder, {"rust": ("rust-1", "rust-2")}, stamp(), force=True)


def roll_back_over(place: Place) -> object:
    """To the first version, of another bundle."""
    return place.changes.roll_back(stamp(), place.versions.all()[0].name)


def add_at_once(root: Path, names: list[str], together: Barrier) -> None:
    """Add the classes one after the other, when the others are ready too."""
    changes = Place(root).changes
    together.wait(60)
    for name in names:
        changes.add({name: (f"{name}-1", f"{name}-2")}, stamp(name), force=True)
        changes.add({name: (f"{name}-2", f"{name}-1")}, stamp(name), force=True)  # the same arrival again


def remove_at_once(root: Path, names: list[str], together: Barrier) -> None:
    """Remove the classes one after the other."""
    changes = Place(root).changes
    together.wait(60)
    for name in names:
        changes.remove(name, stamp("remover"))
