"""A workspace whose stages draw a bundle for the classes that lie in data/raw, and what other processes do to it."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from components.live.consolidation import Consolidation
from components.live.opening import LiveWorkspace
from components.live.versions import Versions
from components.workspace import Workspace
from flows import consolidation, pipeline
from flows.dvc import Pipeline
from tests.conftest import REPOSITORY, draw_photo
from tests.support.drawn_rows import drawn_support
from tests.support.live_place import fitter_for
from tests.support.notes import Notes
from tests.support.saved_bundle import drawn_bundle


def draw(root: Path) -> Workspace:
    """Five classes with two photos each."""
    (root / "dvc.yaml").write_text("stages: {}\n")
    (root / "params.yaml").write_text("{}\n")
    shutil.copy(REPOSITORY / "versions.yaml", root)
    for label in range(5):
        for number in range(2):
            draw_photo(root / f"data/raw/cls_{label:02}/{number}.jpg", 10 * label + number, hue=40 * label)
    return Workspace(root)


def run_stages(workspace: Workspace, *_: object) -> dict[str, bool]:
    """In the place of the pipeline's: the same photos, the same bundle."""
    names = sorted(path.name for path in workspace.raw.iterdir() if not path.name.startswith("cls_"))
    drawn_bundle(drawn_support(5 + len(names), shots=4), ["gda"], names)[0].save(workspace.bundle)
    return {}


def stand_in(set_attribute: Callable[[object, str, object], object] = setattr) -> None:
    """Have flows draw bundles, and classes be added without a backbone."""
    set_attribute(pipeline, "run_stages", run_stages)
    set_attribute(consolidation, "run_stages", run_stages)
    for module in (pipeline, consolidation):
        set_attribute(module, "run_own_stages", lambda *_: {})
    set_attribute(Pipeline, "check", lambda *_, **__: None)
    set_attribute(LiveWorkspace, "fitter_for", lambda live, bundle: fitter_for(bundle))


POINTS: dict[str, tuple[object, str]] = {
    "the photos are there": (Consolidation, "place"),
    "the stages have run": (consolidation, "run_stages"),
    "the version is published": (Versions, "publish"),
    "the pointer has moved": (Versions, "point_to"),
}
"""After what a process may be killed."""


def killed(root: Path, point: str) -> None:
    """Consolidate, and be killed by `kill -9` after that."""
    stand_in()
    owner, name = POINTS[point]
    real = getattr(owner, name)

    def die(*arguments: object, **options: object) -> None:
        real(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, name, die)
    consolidation.consolidate_classes(Workspace(root), (), Notes(), force=True)
