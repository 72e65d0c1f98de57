"""A second frozen image encoder beside the backbone: its unit embedding, weighted, stands beside the backbone's own.

Text embeddings act on the backbone's part alone. Source: AMU-Tuning (CVPR 2024), which adds such an encoder to CLIP's
logits; here it is part of the embedding, so that every head, the bank and the search have it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from components.backbone.load import check_backbone, load_backbone
from components.backbone.model import Backbone, BackboneIdentity, Beside, Encoded
from components.backbone.settings import BackboneSettings

__all__ = ["PairedBackbone", "joined", "load_with_beside"]


def joined(embedding: Tensor, second: Tensor, weight: float) -> Tensor:
    """(n, d + e), unit length, of unit embeddings (n, d) and (n, e); the second has `weight`, the first weight 1."""
    return torch.cat([embedding, weight * second], 1) / math.sqrt(1 + weight**2)


class PairedBackbone(Backbone):
    """Two frozen encoders as one backbone.

    Image embeddings are `joined`. Text embeddings are the first encoder's, with zeros in the second's columns;
    `logit_scale` makes up for the first's smaller share, so that zero-shot logits are the first's. Levels, class tokens
    and projector are the first's.

    Attributes:
        second: what stands beside `first`.
    """

    def __init__(self, first: Backbone, second: Backbone, weight: float) -> None:
        self._first, self.second, self._weight = first, second, weight
        self.identity: BackboneIdentity = replace(first.identity, beside=Beside.of(second.identity, weight))
        self.logit_scale = first.logit_scale * math.sqrt(1 + weight**2)
        self.covariance = _covariance(first.covariance, second.covariance, weight)
        self.projector = first.projector
        self.device = first.device
        blank = Image.new("RGB", (64, 64))
        self._shapes = [backbone.preprocess(blank).shape for backbone in (first, second)]
        self._second_width = second.encode_images(second.preprocess(blank)[None]).embedding.shape[1]

    @property
    def first(self) -> Backbone:
        """See `Backbone.first`."""
        return self._first

    def preprocess(self, image: Image.Image) -> Tensor:
        """Both encoders' pixels, concatenated, (p,) float32."""
        return torch.cat([backbone.preprocess(image).flatten() for backbone in (self.first, self.second)])

    def encode_images(self, pixels: Tensor, *, levels: bool = False) -> Encoded:
        """Encode a batch (b, p) of `preprocess`; see `Backbone.encode_images`."""
        sizes = [shape.numel() for shape in self._shapes]
        own, other = (
            part.reshape(-1, *shape) for part, shape in zip(pixels.split(sizes, 1), self._shapes, strict=True)
        )
        encoded = self.first.encode_images(own, levels=levels)
        second = self.second.encode_images(other).embedding.to(encoded.embedding.device)
        return replace(encoded, embedding=joined(encoded.embedding, second, self._weight))

    def encode_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor:
        """The first's, widened."""
        return self.widened(self.first.encode_texts(texts, batch_size=batch_size))

    def widened(self, texts: Tensor) -> Tensor:
        """See `Backbone.widened`."""
        return F.pad(texts, (0, self._second_width)) if len(texts) else texts

    def words(self) -> list[str]:
        """The first's."""
        return self.first.words()

    def free_token_prompt(self, template: str) -> Any:
        """The first's, its text embeddings widened."""
        prompt = self.first.free_token_prompt(template)
        encode = prompt.encode
        prompt.encode = lambda tokens: self.widened(encode(tokens))  # type: ignore[method-assign]
        return prompt


def load_with_beside(settings: BackboneSettings, models: Path) -> Backbone:
    """The backbone that the section `backbone` of `params.yaml` names, with what stands beside it.

    Raises:
        UserInputError, ShotlineError: see `load_backbone`.
    """
    own = {"models": models, "device": settings.device, "precision": settings.precision}
    first = load_backbone(settings.name, **own)  # type: ignore[arg-type]
    if settings.beside == "none":
        return first
    check_backbone(settings.beside, models=models, on="params.yaml: backbone.beside")
    second = load_backbone(settings.beside, **own)  # type: ignore[arg-type]
    return PairedBackbone(first, second, settings.beside_weight)


def _covariance(first: Tensor | None, second: Tensor | None, weight: float) -> Tensor | None:
    """Both within-class covariances, of any scale, at equal traces but for the weight; None if one is not known."""
    if first is None or second is None:
        return None
    second = second * (weight**2 * first.trace() / second.trace())
    both: Tensor = torch.block_diag(first, second) / (1 + weight**2)
    return both
