"""Class names to text embeddings."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from components.backbone import Backbone

__all__ = ["class_embeddings"]


def class_embeddings(names: Sequence[str], templates: Sequence[str], backbone: Backbone) -> Tensor:
    """One unit vector per class, (len(names), d) float32: the mean over prompts of their unit text embeddings.

    Args:
        names: words that a text encoder knows.
        templates: prompts with `{}` where the name goes.
    """
    prompts = [template.format(name) for name in names for template in templates]
    embeddings = backbone.encode_texts(prompts).reshape(len(names), len(templates), -1)
    return F.normalize(embeddings.mean(1), dim=-1) if len(names) else torch.empty(0, 0)
