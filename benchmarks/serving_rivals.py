"""Two services to compare ours with, over the same backbone: BentoML's own CLIP example, and a fair one that caches texts.

The first is what BentoML's example `clip-embeddings` does for `rank`: each request brings images and candidate texts, and both
are encoded. The second is what somebody would write who knows the classes: texts encoded once, images batched.
`SHOTLINE_WORKSPACE` names the workspace whose backbone and classes they use.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import bentoml
import torch
from PIL.Image import Image

WORKSPACE = Path(os.environ.get("SHOTLINE_WORKSPACE", "."))


def backbone_and_classes() -> tuple[Any, list[str]]:
    """Of the workspace's bundle, computing as the service does."""
    from components.backbone import BackboneSettings
    from components.serving.answers import PhotoClassifier

    settings = BackboneSettings(precision=os.environ.get("SHOTLINE_PRECISION", "auto"))
    classifier = PhotoClassifier.load(WORKSPACE / "models", settings)
    return classifier.backbone, list(classifier.bundle.display_names)


def ranked(backbone: Any, images: list[Image], texts: torch.Tensor) -> list[list[float]]:
    """Probabilities of each class (n, C), zero-shot."""
    pixels = torch.stack([backbone.preprocess(image.convert("RGB")) for image in images])
    embeddings = backbone.encode_images(pixels).embedding
    return torch.softmax(backbone.logit_scale * embeddings @ texts.T, 1).tolist()


@bentoml.service(name="example")
class Example:
    """As BentoML's example: texts and images encoded in each request, one after the other."""

    def __init__(self) -> None:
        self._backbone, self._classes = backbone_and_classes()

    @bentoml.api
    def classify(self, images: list[Image]) -> list[list[float]]:
        """Rank the classes for each image."""
        texts = self._backbone.encode_texts([f"a photo of {name}." for name in self._classes])
        return ranked(self._backbone, images, texts)


@bentoml.service(name="fair")
class Fair:
    """Texts encoded once, images of concurrent requests in one batch."""

    def __init__(self) -> None:
        self._backbone, classes = backbone_and_classes()
        self._texts = self._backbone.encode_texts([f"a photo of {name}." for name in classes])

    @bentoml.api(batchable=True, max_batch_size=32, max_latency_ms=10_000)
    def classify(self, images: list[Image]) -> list[list[float]]:
        """Rank the classes for each image."""
        return ranked(self._backbone, images, self._texts)
