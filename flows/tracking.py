"""What `shotline track` does: DVC is told of the arrivals, in its turn."""

from __future__ import annotations

import time

from components.errors import ShotlineError
from components.live.keeping_tracked import dvc_is_behind
from components.workspace import Workspace

__all__ = ["track_arrivals"]

_PATIENCE_S = 120.0
_AGAIN_S = 2.0


def track_arrivals(workspace: Workspace) -> bool:
    """Tell DVC of the workspace's arrivals, as soon as no other command of it is at work there; False if it knew them all."""
    if not dvc_is_behind(workspace):
        return False
    from flows.dvc import Pipeline

    deadline = time.monotonic() + _PATIENCE_S
    while dvc_is_behind(workspace):
        try:
            Pipeline(workspace).track_arrivals()
        except ShotlineError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN_S)
    return True
