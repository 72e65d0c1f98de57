"""Checks all of `params.yaml` before anything runs: a mistake in the last section must not cost the first stages."""

from __future__ import annotations

from typing import Any

from components.backbone import BackboneSettings
from components.classifier import ClassifierSettings
from components.features import FeaturesSettings
from components.inbox import InboxSettings
from components.ingest import IngestSettings
from components.ldc import LdcSettings
from components.liteembed import LiteEmbedSettings
from components.live.settings import GateSettings, TrackingSettings
from components.pool import PoolSettings
from components.store import StoreSettings
from components.validate import ValidateSettings
from components.workspace import Workspace

__all__ = ["SECTIONS", "check_parameters"]

SECTIONS: dict[str, type[Any]] = {
    "ingest": IngestSettings,
    "validate": ValidateSettings,
    "backbone": BackboneSettings,
    "features": FeaturesSettings,
    "pool": PoolSettings,
    "ldc": LdcSettings,
    "classifier": ClassifierSettings,
    "liteembed": LiteEmbedSettings,
    "gate": GateSettings,
    "inbox": InboxSettings,
    "feature_store": StoreSettings,
    "tracking": TrackingSettings,
}
"""Every section with its settings."""


def check_parameters(workspace: Workspace) -> None:
    """Check that no stage would refuse `params.yaml`.

    Raises:
        UserInputError: an unknown section or parameter, or a value out of range, with the value found.
    """
    workspace.parameters.check(SECTIONS)
