"""From a photo's bytes to an answer; the one path that the command line and the service share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from components.backbone import Backbone, BackboneSettings, load_backbone
from components.classifier import Bundle
from components.errors import UserInputError
from components.features import Features, level_features
from components.ingest import PhotoError, load_image

__all__ = ["Answer", "PhotoClassifier", "Ranked"]

_BATCH = 32


@dataclass(frozen=True)
class Ranked:
    """A class and its calibrated probability (0 to 1)."""

    class_name: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """What is said of one photo.

    Attributes:
        top: the most probable classes, best first.
        abstained: the photo is probably none of the classes.
        bank: the version of the classifier that made this answer.
    """

    top: tuple[Ranked, ...]
    abstained: bool
    bank: str

    def to_json(self) -> dict[str, Any]:
        """The form that `classify --json` and `POST /classify` give."""
        top = [{"class": ranked.class_name, "probability": ranked.probability} for ranked in self.top]
        return {"top": top, "abstained": self.abstained, "bank": self.bank}


class PhotoClassifier:
    """A bundle with its backbone, ready to answer.

    Attributes:
        bundle: the saved classifier.
        backbone: the CLIP that it was made with.
    """

    def __init__(self, bundle: Bundle, backbone: Backbone, *, top: int = 5) -> None:
        self.bundle = bundle
        self.backbone = backbone
        self._top = min(top, len(bundle.class_names))

    @classmethod
    def load(cls, models: Path, settings: BackboneSettings | None = None, *, top: int = 5) -> PhotoClassifier:
        """The classifier of a folder `models` with `bundle/` and, for the embedded backbone, `embedded/`.

        Args:
            models: the workspace's or the Bento's `models/`.
            settings: device and precision to answer with; the backbone itself is named by the bundle.
            top: how many classes an answer names.

        Raises:
            UserInputError: there is no bundle, or the backbone there is not the one that the bundle was made with.
        """
        settings = settings or BackboneSettings()
        bundle = Bundle.load(models / "bundle")
        made_with = bundle.backbone
        packaged = models / "backbone"
        name = str(packaged) if packaged.is_dir() else made_with["name"]
        backbone = load_backbone(name, models=models, device=settings.device, precision=settings.precision)
        if backbone.identity.weights != made_with["weights"]:
            raise UserInputError(
                f"the bundle was made with other weights ({made_with['weights'][:12]}) than the backbone "
                f"{name} has ({backbone.identity.weights[:12]})",
                on=str(models / "bundle"),
                remedy="train again, or put the backbone's weights back",
            )
        return cls(bundle, backbone, top=top)

    def answer(self, photos: Sequence[bytes | Path]) -> list[Answer | PhotoError]:
        """One answer a photo, in order; a photo that cannot be read gives its error, and the rest go on."""
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            pixels = list(pool.map(self._pixels, photos))
        readable = [tensor for tensor in pixels if isinstance(tensor, torch.Tensor)]
        answers: list[Answer] = []
        for start in range(0, len(readable), _BATCH):
            encoded = self.backbone.encode_images(torch.stack(readable[start : start + _BATCH]), levels=True)
            answers += self._rank(level_features(encoded, "pooled"))
        in_order = iter(answers)
        return [next(in_order) if isinstance(tensor, torch.Tensor) else tensor for tensor in pixels]

    def answer_files(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Answer | PhotoError]]:
        """Each path with its answer, in order, read and answered a batch at a time."""
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            yield from zip(batch, self.answer(batch), strict=True)

    def _pixels(self, photo: bytes | Path) -> torch.Tensor | PhotoError:
        try:
            return self.backbone.preprocess(load_image(photo))
        except PhotoError as error:
            return error

    def _rank(self, features: Features) -> list[Answer]:
        probabilities, abstained = self.bundle.predict(features)
        best = probabilities.topk(self._top, dim=1)
        names = self.bundle.class_names
        return [
            Answer(
                tuple(Ranked(names[place], float(value)) for place, value in zip(places, values, strict=True)),
                bool(unknown),
                self.bundle.version,
            )
            for places, values, unknown in zip(
                best.indices.tolist(), best.values.tolist(), abstained.tolist(), strict=True
            )
        ]
