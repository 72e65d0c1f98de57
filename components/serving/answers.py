"""From a photo's bytes to an answer; the one path that the command line and the service share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from components.backbone import Backbone, BackboneSettings, check_backbone, load_backbone
from components.classifier import Bundle
from components.errors import UserInputError
from components.features import Features, level_features
from components.ingest import PhotoError, count_pixels, load_image, read_photo
from components.serving.pixel_budget import PixelBudget, share_freed_memory

__all__ = ["Answer", "PhotoClassifier", "Ranked"]

_BATCH = 32
_PIXELS_AT_ONCE = 128_000_000  # decoded, two of the largest photos that are allowed by default: 0.5 to 2.5 GB

# For who asks about one photo; those that ingest gives speak of folders and of a run.
_REMEDIES = {
    "oversized": "use a smaller photo; the limits are those of its training (ingest.max_pixels, ingest.max_bytes)",
    "too_small": "use a larger photo; the limit is the one of its training (ingest.min_size_px)",
    "zero_byte": "give the whole file",
    "truncated": "give the whole file",
    "unreadable": "use a JPEG, PNG or WebP photo",
    "unsupported": "use a JPEG, PNG or WebP photo",
    "not_an_image": "use a JPEG, PNG or WebP photo",
}


_BACKBONE_REMEDY = "put the backbone back as it was (git checkout, dvc checkout), train again, or build the Bento again"


@dataclass(frozen=True)
class Ranked:
    """A class and its calibrated probability (0 to 1).

    Attributes:
        class_name: as in the data.
        display_name: the same as words, for people.
    """

    class_name: str
    display_name: str
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

    def __init__(
        self, bundle: Bundle, backbone: Backbone, *, top: int = 5, pixels_at_once: int = _PIXELS_AT_ONCE
    ) -> None:
        self.bundle = bundle
        self.backbone = backbone
        self._top = min(top, len(bundle.class_names))
        self._decoding = PixelBudget(pixels_at_once)
        share_freed_memory()

    @classmethod
    def load(cls, models: Path, settings: BackboneSettings | None = None, *, top: int = 5) -> PhotoClassifier:
        """The classifier of a folder `models` with `bundle/` and, for the embedded backbone, `embedded/`.

        Args:
            models: the workspace's or the Bento's `models/`.
            settings: device and precision to answer with; the backbone itself is named by the bundle. Another device
                or precision than the bundle was made with is no mistake: a classifier trained on a GPU answers on a
                CPU, alike but for the last bits.
            top: how many classes an answer names.

        Raises:
            UserInputError: there is no bundle, or the backbone there is not the one that the bundle was made with.
        """
        settings = settings or BackboneSettings()
        bundle = Bundle.load(models / "bundle")
        packaged = models / "backbone"
        name = str(packaged) if packaged.is_dir() else bundle.backbone["name"]
        try:
            check_backbone(name, models=models)
        except UserInputError as error:
            raise UserInputError(
                f"the backbone that this classifier was made with is not here: {error.what}",
                on=f"{models / 'bundle'}: backbone {name}",
                remedy=_BACKBONE_REMEDY,
            ) from error
        backbone = load_backbone(name, models=models, device=settings.device, precision=settings.precision)
        for fact, found in (
            ("weights", backbone.identity.weights),
            ("preprocessing", backbone.identity.preprocessing),
        ):
            if bundle.backbone[fact] != found:
                raise UserInputError(
                    f"the classifier was made with other {fact} ({_short(bundle.backbone[fact])}) than the backbone "
                    f"{name} has here ({_short(found)})",
                    on=str(models / "bundle"),
                    remedy=_BACKBONE_REMEDY,
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
        limits = self.bundle.limits
        name = str(photo) if isinstance(photo, Path) else "the photo"
        try:
            content = read_photo(photo, limits, name=name) if isinstance(photo, Path) else photo
            with self._decoding.hold(count_pixels(content, limits, name=name)):
                return self.backbone.preprocess(load_image(content, limits, name=name))
        except PhotoError as error:
            remedy = _REMEDIES.get(error.reason, error.remedy)
            return PhotoError(error.what, on=error.on, remedy=remedy, reason=error.reason)

    def _rank(self, features: Features) -> list[Answer]:
        probabilities, abstained = self.bundle.predict(features)
        best = probabilities.topk(self._top, dim=1)
        names, words = self.bundle.class_names, self.bundle.display_names
        return [
            Answer(
                tuple(
                    Ranked(names[place], words[place], float(value))
                    for place, value in zip(places, values, strict=True)
                ),
                bool(unknown),
                self.bundle.version,
            )
            for places, values, unknown in zip(
                best.indices.tolist(), best.values.tolist(), abstained.tolist(), strict=True
            )
        ]


def _short(fact: object) -> str:
    return str(fact)[:12] if isinstance(fact, str) else str(fact)
