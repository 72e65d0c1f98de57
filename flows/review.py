"""The flow `review`: the photos of the pool that are most worth a person's word, as a table on a Prefect server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow

from components.live.opening import LiveWorkspace
from components.live.review import review as next_photos
from components.workspace import Workspace
from flows.run_artifacts import show_review
from flows.running import run_as_task, run_name, told_when_stopped

__all__ = ["review"]


@flow(name="review", flow_run_name=run_name)
def review(workspace: str = ".", top: int = 20) -> list[dict[str, Any]]:
    """Say which photos of the pool are most worth a label.

    Args:
        workspace: a folder in the workspace.
        top: how many.

    Returns:
        See `ReviewItem.to_json`; the first is the one most worth a word.
    """
    with told_when_stopped():
        place = Workspace.find(Path(workspace))
        items = run_as_task("rank", partial(next_photos, LiveWorkspace.open(place), place, top))
        show_review(items)
        return [item.to_json() for item in items]
