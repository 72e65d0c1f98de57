"""The frozen CLIP: image embeddings, four feature levels, text embeddings, and who it is.

In: a name (`embedded`, `ViT-B-16/openai`, a checkpoint folder). Out: a `Backbone` that encodes and an identity
that features are keyed by.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.backbone.beside import PairedBackbone, joined, load_with_beside
    from components.backbone.checkpoints import adopt_checkpoint
    from components.backbone.free_token import FreeTokenPrompt
    from components.backbone.last_step import attended, norm_and_linear
    from components.backbone.load import check_backbone, load_backbone, save_backbone
    from components.backbone.matching import matching_backbone, require_same_backbone
    from components.backbone.model import Backbone, BackboneIdentity, Beside, Encoded
    from components.backbone.projector import Projector, projector_of
    from components.backbone.settings import BackboneSettings

__all__ = [
    "Backbone",
    "BackboneIdentity",
    "BackboneSettings",
    "Beside",
    "Encoded",
    "FreeTokenPrompt",
    "PairedBackbone",
    "Projector",
    "adopt_checkpoint",
    "attended",
    "check_backbone",
    "joined",
    "load_backbone",
    "load_with_beside",
    "matching_backbone",
    "norm_and_linear",
    "projector_of",
    "require_same_backbone",
    "save_backbone",
]

on_demand(__name__)
