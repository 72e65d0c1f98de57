"""From a photo's bytes to an answer; the one path that the command line and the service share."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from PIL import Image

from components.backbone import Backbone, BackboneSettings, matching_backbone
from components.bank import Answering, Bank
from components.bank.class_rows import class_rows
from components.classifier import Bundle
from components.features import Features, level_features
from components.ingest import PhotoError, count_pixels, load_image, read_photo, rgb_image
from components.live import Versions, version_name
from components.serving.photo_errors import for_asker
from components.serving.pixel_budget import PixelBudget, share_freed_memory
from components.threads import threads_for

if TYPE_CHECKING:
    from components.serving.saved import Saved

__all__ = ["Answer", "Photo", "PhotoClassifier", "Ranked"]

T = TypeVar("T")

Photo = bytes | Path | Image.Image
"""A photo as it is asked about: a file's bytes, a file, or an image that a program has opened or made."""

_BATCH = 32
_BATCHES_AHEAD = 2  # loaded and decoded while one is encoded
_PIXELS_AT_ONCE = 128_000_000  # decoded, two of the largest photos that are allowed by default: 0.5 to 2.5 GB

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
        likely: names of the classes that hold the right one for nine in ten photos, most probable first; the answer is
            among them, and a photo that is unknown may have none.
        bank: the version of the classifier that made this answer.
    """

    top: tuple[Ranked, ...]
    abstained: bool
    bank: str
    likely: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form that `classify --json` and `POST /classify` give."""
        top = [{"class": ranked.class_name, "probability": ranked.probability} for ranked in self.top]
        return {"top": top, "likely": list(self.likely), "abstained": self.abstained, "bank": self.bank}


class PhotoClassifier:
    """A bundle with its bank and backbone, ready to answer.

    Args:
        bundle: the saved classifier.
        backbone: the CLIP that it was made with.
        bank: the classes added beside it; none where None.
        top: how many classes an answer names.
        pixels_at_once: how much may be decoded at once.

    Attributes:
        on_step: told the seconds of each `decode`, `encode` and `head`.
        on_embeddings: told the embeddings (n, d) of each batch that is answered.
    """

    def __init__(
        self,
        bundle: Bundle,
        backbone: Backbone,
        bank: Bank | None = None,
        *,
        top: int = 5,
        pixels_at_once: int = _PIXELS_AT_ONCE,
    ) -> None:
        self._served = _Served(bundle, Bank.empty(bundle) if bank is None else bank, backbone)
        self._source: tuple[Versions, Path, BackboneSettings] | None = None
        self._top = top
        self._decoding = PixelBudget(pixels_at_once)
        self.on_step: Callable[[str, float], object] = lambda step, seconds: None
        self.on_embeddings: Callable[[torch.Tensor], object] = lambda embeddings: None
        share_freed_memory()

    @classmethod
    def load(cls, models: Path, settings: BackboneSettings | None = None, *, top: int = 5) -> PhotoClassifier:
        """The classifier of a folder `models`: what is live there, else `bundle/` with `bank/` beside it.

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
        versions = Versions(models / "live")
        name = versions.current_name()
        folder = models if name is None else versions.folder / name
        bundle, bank = _read(folder)
        classifier = cls(bundle, _matching_backbone(bundle, folder, models, settings), bank, top=top)
        classifier._source = (versions, models, settings)
        return classifier

    @classmethod
    def of_outputs(cls, models: Path, settings: BackboneSettings) -> PhotoClassifier:
        """What the stages wrote to `models`, whether or not it is live; raises as `load` does."""
        bundle, bank = _read(models)
        return cls(bundle, _matching_backbone(bundle, models, models, settings), bank)

    @classmethod
    def of_saved(cls, saved: Saved, settings: BackboneSettings, *, top: int = 5) -> PhotoClassifier:
        """A saved classifier, which stays as it is; arguments and errors as of `load`."""
        bundle = Bundle.load(saved.bundle)
        bank = Bank.empty(bundle) if saved.bank is None else Bank.load(saved.bank, bundle)
        return cls(bundle, _matching_backbone(bundle, saved.bundle.parent, saved.models, settings), bank, top=top)

    def follow(self) -> bool:
        """Take what is live now, where that has changed since; whether it has.

        An answer that is being made goes on with the version that it began with.
        """
        if self._source is None:
            return False
        versions, models, settings = self._source
        name = versions.current_name()
        if name is None or name == self._served.version:
            return False
        bundle, bank = _read(versions.folder / name)
        backbone = _matching_backbone(bundle, versions.folder / name, models, settings)
        self._served = _Served(bundle, bank, backbone)
        return True

    @property
    def version(self) -> str:
        """The version that answers now, as answers name it in `bank`."""
        return self._served.version

    @property
    def bundle(self) -> Bundle:
        """The saved classifier."""
        return self._served.bundle

    @property
    def bank(self) -> Bank:
        """The classes added beside it."""
        return self._served.bank

    @property
    def backbone(self) -> Backbone:
        """The CLIP that it was made with."""
        return self._served.backbone

    def classes(self) -> list[dict[str, Any]]:
        """The classes that answers can name; see `class_rows`."""
        return class_rows(self._served.bundle, self._served.bank)

    def answer(self, photos: Sequence[Photo]) -> list[Answer | PhotoError]:
        """One answer a photo, in order; a photo that cannot be read gives its error, and the rest go on."""
        served = self._served
        return self._each(photos, partial(self._answers, served=served), served)

    def embed(self, photos: Sequence[Photo]) -> list[torch.Tensor | PhotoError]:
        """One unit vector (d,) float32 a photo, in order; a photo that cannot be read gives its error."""
        served = self._served

        def embeddings(pixels: torch.Tensor) -> list[torch.Tensor]:
            with self._step("encode"), threads_for(len(pixels)):
                return list(served.backbone.encode_images(pixels).embedding.cpu())

        return self._each(photos, embeddings, served)

    def answer_files(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Answer | PhotoError]]:
        """Each path with its answer, in order; see `answer_batches`."""
        batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
        answers = self.answer_batches([partial(Path, path) for path in batch] for batch in batches)
        for batch, answered in zip(batches, answers, strict=True):
            yield from zip(batch, answered, strict=True)

    def answer_batches(
        self, batches: Iterable[Sequence[Callable[[], bytes | Path]]]
    ) -> Iterator[list[Answer | PhotoError]]:
        """The answers to batch after batch of photos that are loaded when they are needed.

        While one batch is encoded the next ones are loaded and decoded; no more than three are in memory, however many
        there are. All are answered by the version that is served when the first one is asked for.

        Args:
            batches: what loads each photo; it may raise PhotoError. A batch is encoded in one forward pass.
        """
        served = self._served
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            ahead: deque[list[Future[torch.Tensor | PhotoError]]] = deque()
            try:
                for batch in batches:
                    ahead.append([pool.submit(self._loaded_pixels, load, served) for load in batch])
                    if len(ahead) > _BATCHES_AHEAD:
                        yield self._answered([each.result() for each in ahead.popleft()], served)
                while ahead:
                    yield self._answered([each.result() for each in ahead.popleft()], served)
            finally:
                pool.shutdown(cancel_futures=True)

    def _loaded_pixels(self, load: Callable[[], bytes | Path], served: _Served) -> torch.Tensor | PhotoError:
        try:
            photo = load()
        except PhotoError as error:
            return error
        return self._pixels(photo, served=served)

    def _answered(self, pixels: list[torch.Tensor | PhotoError], served: _Served) -> list[Answer | PhotoError]:
        return _in_their_places(pixels, partial(self._answers, served=served))

    def _answers(self, pixels: torch.Tensor, *, served: _Served) -> list[Answer]:
        with self._step("encode"), threads_for(len(pixels)):
            encoded = served.backbone.encode_images(pixels, levels=True)
        self.on_embeddings(encoded.embedding)
        with self._step("head"):
            return self._rank(level_features(encoded, served.bundle.head.level_mode), served)

    def _each(
        self, photos: Sequence[Photo], of_batch: Callable[[torch.Tensor], list[T]], served: _Served
    ) -> list[T | PhotoError]:
        """What `of_batch` makes of photos, a batch of pixels at a time; errors stand in the places of their photos."""
        with self._step("decode"):
            pixels = self._decoded(photos, served)
        return _in_their_places(pixels, of_batch)

    def _decoded(self, photos: Sequence[Photo], served: _Served) -> list[torch.Tensor | PhotoError]:
        if len(photos) == 1:
            return [self._pixels(photos[0], served=served)]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return list(pool.map(partial(self._pixels, served=served), photos))

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        begun = perf_counter()
        yield
        self.on_step(name, perf_counter() - begun)

    def _pixels(self, photo: Photo, *, served: _Served) -> torch.Tensor | PhotoError:
        limits = served.bundle.limits
        name = str(photo) if isinstance(photo, Path) else "the photo"
        try:
            if isinstance(photo, Image.Image):
                with self._decoding.hold(photo.width * photo.height):
                    return served.backbone.preprocess(rgb_image(photo, limits, name=name))
            content = read_photo(photo, limits, name=name) if isinstance(photo, Path) else photo
            with self._decoding.hold(count_pixels(content, limits, name=name)):
                return served.backbone.preprocess(load_image(content, limits, name=name))
        except PhotoError as error:
            return for_asker(error)

    def _rank(self, features: Features, served: _Served) -> list[Answer]:
        bundle, bank = served.bundle, served.bank
        answers = served.answering.answer(features)
        names = (*bundle.class_names, *bank.names)
        words = (*bundle.display_names, *bank.names)
        best = answers.probabilities.topk(min(self._top, len(names)), dim=1)
        return [
            Answer(
                tuple(
                    Ranked(names[place], words[place], float(value))
                    for place, value in zip(places, values, strict=True)
                ),
                abstained,
                served.version,
                tuple(names[place] for place in likely),
            )
            for places, values, abstained, likely in zip(
                best.indices.tolist(),
                best.values.tolist(),
                answers.abstained.tolist(),
                answers.likely_places,
                strict=True,
            )
        ]


def _in_their_places(
    pixels: list[torch.Tensor | PhotoError], of_batch: Callable[[torch.Tensor], list[T]]
) -> list[T | PhotoError]:
    """What `of_batch` makes of the photos that could be read, in their places; errors stay in theirs."""
    readable = [tensor for tensor in pixels if isinstance(tensor, torch.Tensor)]
    made: list[T] = []
    for start in range(0, len(readable), _BATCH):
        made += of_batch(torch.stack(readable[start : start + _BATCH]))
    in_order = iter(made)
    return [next(in_order) if isinstance(tensor, torch.Tensor) else tensor for tensor in pixels]


@dataclass(frozen=True)
class _Served:
    """What one answer is made by, from its first step to its last."""

    bundle: Bundle
    bank: Bank
    backbone: Backbone

    @cached_property
    def answering(self) -> Answering:
        return Answering(self.bundle, self.bank)

    @cached_property
    def version(self) -> str:
        return version_name(self.bank)


def _read(folder: Path) -> tuple[Bundle, Bank]:
    bundle = Bundle.load(folder / "bundle")
    return bundle, Bank.load(folder / "bank", bundle) if (folder / "bank").is_dir() else Bank.empty(bundle)


def _matching_backbone(bundle: Bundle, folder: Path, models: Path, settings: BackboneSettings) -> Backbone:
    packaged, beside = models / "backbone", models / "beside"
    return matching_backbone(
        str(packaged) if packaged.is_dir() else bundle.backbone["name"],
        bundle.backbone,
        models=models,
        settings=settings,
        what="the classifier",
        on=folder / "bundle",
        remedy=_BACKBONE_REMEDY,
        beside=str(beside) if beside.is_dir() else None,
    )
