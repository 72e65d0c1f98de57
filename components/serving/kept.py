"""Whether the service keeps photos in the pool."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from components.serving.place import Place

if TYPE_CHECKING:
    from components.pool import Keeper

__all__ = ["keeper_said"]


def keeper_said(place: Place, environment: Mapping[str, str] | None = None) -> Keeper | None:
    """The keeper of photos if `SHOTLINE_KEEP` is 1 and there is a workspace; None by default: none are kept."""
    if (os.environ if environment is None else environment).get("SHOTLINE_KEEP") != "1" or place.workspace is None:
        return None
    from components.ingest import IngestSettings
    from components.pool import Keeper, Pool, PoolSettings
    from components.workspace import Workspace

    workspace = Workspace(place.workspace)
    parameters = workspace.parameters
    limits = parameters.section("ingest", IngestSettings).limits
    return Keeper(Pool(workspace.pool), parameters.section("pool", PoolSettings), limits)
