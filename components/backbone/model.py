"""`Backbone`: a loaded CLIP that turns images and texts into features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from components.backbone.free_token import FreeTokenPrompt, whole_words
from components.backbone.levels import has_levels, read_levels
from components.backbone.projector import projector_of
from components.files import digest

__all__ = ["Backbone", "BackboneIdentity", "Beside", "Encoded"]

Tokenizer = Callable[[Sequence[str]], Tensor]


@dataclass(frozen=True)
class Beside:
    """The second encoder that stands beside a backbone.

    Attributes:
        name, weights, preprocessing, precision, device_kind: its own, see `BackboneIdentity`.
        digest: of its identity; its features are cached under it.
        weight: what its unit embedding is multiplied with.
    """

    name: str
    weights: str
    preprocessing: dict[str, Any]
    precision: str
    device_kind: str
    digest: str
    weight: float

    @classmethod
    def of(cls, identity: BackboneIdentity, weight: float) -> Beside:
        """The encoder of that identity."""
        own = (identity.name, identity.weights, identity.preprocessing, identity.precision, identity.device_kind)
        return cls(*own, identity.digest, weight)


@dataclass(frozen=True)
class BackboneIdentity:
    """What features depend on; two backbones of equal identity give the same features.

    Attributes:
        name: as the user wrote it; not part of the digest.
        weights: SHA-256 of the checkpoint.
        preprocessing: open_clip's settings (size, mean, std, interpolation, resize mode), from the artefact.
        precision: `fp32`, `bf16` or `fp16`.
        device_kind: `cpu` or `cuda`.
        folded: batch norms are folded into the image tower's convolutions, which changes the last bits.
        beside: a second encoder, whose embeddings are cached apart; not part of the digest.
    """

    name: str
    weights: str
    preprocessing: dict[str, Any]
    precision: str
    device_kind: str
    folded: bool = False
    beside: Beside | None = None

    @cached_property
    def digest(self) -> str:
        """One hash of all that changes the backbone's own features."""
        facts = asdict(self)
        del facts["name"], facts["beside"]
        if not self.folded:  # towers without batch norms are keyed as they were
            del facts["folded"]
        return digest(facts)


@dataclass(frozen=True)
class Encoded:
    """Features of a batch of b images.

    Attributes:
        embedding: (b, d) float32, unit length.
        levels: four maps (b, c_k, h_k, w_k), first to last, in the model's precision; empty if the tower has no
            levels that we know how to read.
        class_tokens: a ViT's class token at each level, (b, c_k); empty for a ResNet.
    """

    embedding: Tensor
    levels: tuple[Tensor, ...] = ()
    class_tokens: tuple[Tensor, ...] = ()


class Backbone:
    """A frozen CLIP on one device.

    Attributes:
        identity: what its features are keyed by.
        logit_scale: exp of CLIP's learnt temperature, by which cosines are multiplied.
        covariance: (d, d) generic within-class covariance of its embeddings, or None if none is known.
        projector: the image tower's frozen last step, or None if it is of a kind that we do not know.
        device: where batches go.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Tokenizer,
        transform: Callable[[Image.Image], Tensor],
        identity: BackboneIdentity,
        covariance: Tensor | None = None,
    ) -> None:
        self._model = model.eval().requires_grad_(False)
        self._tokenizer = tokenizer
        self._transform = transform
        self.identity = identity
        self.covariance = covariance
        self.device = torch.device("cuda" if identity.device_kind == "cuda" else "cpu")
        self._dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[identity.precision]
        self.projector = projector_of(self._model.visual)
        self.logit_scale = float(self._model.logit_scale.detach().float().exp())

    def preprocess(self, image: Image.Image) -> Tensor:
        """An upright RGB image as the (3, s, s) float32 tensor that the image tower was trained on."""
        return self._transform(image)

    @torch.inference_mode()
    def encode_images(self, pixels: Tensor, *, levels: bool = False) -> Encoded:
        """Encode a batch (b, 3, s, s) in one forward pass; `levels` asks for the four feature maps too.

        A row's features depend on the batch's size, but neither on the other rows nor on its place among them. So
        batches padded to one size give each image the same bits, whatever images share its batch.
        """
        pixels = pixels.to(self.device, self._dtype).contiguous(memory_format=torch.channels_last)
        visual = self._model.visual
        if not levels or not has_levels(visual):
            return Encoded(F.normalize(self._model.encode_image(pixels).float(), dim=-1))
        read = read_levels(visual, pixels)
        return Encoded(F.normalize(read.embedding.float(), dim=-1), read.maps, read.class_tokens)

    @torch.inference_mode()
    def encode_texts(self, texts: Sequence[str], *, batch_size: int = 64) -> Tensor:
        """Text embeddings (len(texts), d), float32, unit length."""
        parts = []
        for start in range(0, len(texts), batch_size):
            tokens = self._tokenizer(list(texts[start : start + batch_size])).to(self.device)
            parts.append(F.normalize(self._model.encode_text(tokens).float(), dim=-1).cpu())
        return torch.cat(parts) if parts else torch.empty(0, 0)

    @property
    def first(self) -> Backbone:
        """The backbone without the encoder beside it; it encodes texts."""
        return self

    def widened(self, texts: Tensor) -> Tensor:
        """Text embeddings (n, d) made as wide as the image embeddings; unchanged if there is no encoder beside."""
        return texts

    def words(self) -> list[str]:
        """The words that its tokenizer has a token of its own for, commonest first; empty if it cannot be read."""
        return whole_words(self._tokenizer)

    def free_token_prompt(self, template: str) -> FreeTokenPrompt:
        """The text tower as a function of one token embedding in the place of `{}` in `template`.

        Raises:
            UserInputError: the text tower is none of open_clip's own, or the template has no single `{}`.
        """
        return FreeTokenPrompt(self._model, self._tokenizer, template, self.identity.name)
