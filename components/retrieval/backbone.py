"""Loads the backbone that made the photos' embeddings, to encode queries for comparison."""

from __future__ import annotations

from components.artefacts import BackboneFacts
from components.backbone import Backbone, BackboneSettings, matching_backbone
from components.workspace import Workspace

__all__ = ["backbone_of_features"]


def backbone_of_features(workspace: Workspace, made_with: BackboneFacts) -> Backbone:
    """Load it, with the workspace's device and precision.

    Args:
        workspace: see `Workspace`.
        made_with: its facts, as the stage features wrote them.

    Raises:
        UserInputError: it is missing, or has changed since.
    """
    return matching_backbone(
        made_with.name,
        made_with.identity,
        models=workspace.models,
        settings=workspace.parameters.section("backbone", BackboneSettings),
        what="data/features",
        on=workspace.features,
        remedy="put the backbone back as it was (git checkout, dvc checkout), or train again",
    )
