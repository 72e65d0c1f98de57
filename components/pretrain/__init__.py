"""The recipe of the embedded CLIP: from a trunk trained on ImageNet, a lexicon, a sentence encoder and labelled
pictures to `models/embedded`.

In: `PretrainParameters` and `PretrainSources`. Out: a folder in open_clip's `local-dir:` format with the generic
within-class covariance beside it. Nothing else in Shotline imports this room; Shotline ships the finished weights.
"""

from components.pretrain.parameters import (
    Architecture,
    LastLayer,
    PretrainParameters,
    TextDistillation,
    TextPlacement,
)
from components.pretrain.recipe import PretrainSources, pretrain

__all__ = [
    "Architecture",
    "LastLayer",
    "PretrainParameters",
    "PretrainSources",
    "TextDistillation",
    "TextPlacement",
    "pretrain",
]
