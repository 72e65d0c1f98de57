"""From a photo's bytes to an answer; command line and service share this path."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
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
from components.ingest import PhotoError, count_pixels, read_photo, rgb_image
from components.ingest.decode import decode
from components.live import Versions, version_name
from components.serving.photo_errors import for_asker
from components.serving.pixel_budget import PixelBudget, share_freed_memory
from components.threads import threads_for

if TYPE_CHECKING:
    from components.serving.saved import Saved

__all__ = ["Answer", "Photo", "PhotoClassifier", "RankedClass"]

T = TypeVar("T")

Photo = bytes | Path | Image.Image
"""A photo to classify: a file's bytes, a file, or an image that a program has opened or made."""

_BATCH = 32
_BATCHES_AHEAD = 2  # loaded and decoded while one is encoded
_PIXELS_AT_ONCE = 128_000_000  # decoded pixels at once, two of the largest photos allowed by default: 0.5 to 2.5 GB

_BACKBONE_REMEDY = "put the backbone back as it was (git checkout, dvc checkout), train again, or build the Bento again"


@dataclass(frozen=True)
class RankedClass:
    """A class and its calibrated probability (0 to 1).

    Attributes:
        class_name: as in the data.
        display_name: its name in words, for people.
    """

    class_name: str
    display_name: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """The answer to one photo.

    Attributes:
        top: the most probable classes, best first.
        abstained: whether the photo is probably of none of the classes.
        likely: names of the classes among which the right one is for nine in ten photos, most probable first. They
            include the answer; an unknown photo may have none.
        bank: the version of the classifier that made this answer.
        flaw: what was wrong with the photo's file although its pixels came out, such as a part that is missing; None if
            nothing was.
    """

    top: tuple[RankedClass, ...]
    abstained: bool
    bank: str
    likely: tuple[str, ...] = ()
    flaw: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The form that `classify --json` and `POST /classify` give; `flaw` where there is one."""
        top = [{"class": ranked.class_name, "probability": ranked.probability} for ranked in self.top]
        told = {"top": top, "likely": list(self.likely), "abstained": self.abstained, "bank": self.bank}
        return told if self.flaw is None else {**told, "flaw": self.flaw}


class PhotoClassifier:
    """A bundle with its bank and backbone, ready to answer.

    Args:
        bundle: the saved classifier.
        backbone: the CLIP that it was made with.
        bank: the classes added beside it; None: no classes.
        top: how many classes an answer names.
        pixels_at_once: how many pixels may be decoded at once.

    Attributes:
        on_step: called with the seconds of each `decode`, `encode` and `head`.
        on_embeddings: called with the embeddings (n, d) of each batch that is answered.
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
        """The classifier of a folder `models`: the live version there, else `bundle/` with `bank/`.

        Args:
            models: the workspace's or the Bento's `models/`.
            settings: device and precision to answer with; the backbone itself is named by the bundle. They may differ
                from those of the training: a classifier trained on a GPU answers on a CPU, equal but for the last bits.
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
        """The classifier that the stages wrote to `models`, live or not; raises as `load` does."""
        bundle, bank = _read(models)
        return cls(bundle, _matching_backbone(bundle, models, models, settings), bank)

    @classmethod
    def of_saved(cls, saved: Saved, settings: BackboneSettings, *, top: int = 5) -> PhotoClassifier:
        """A saved classifier, which is never reloaded; arguments and errors as of `load`."""
        bundle = Bundle.load(saved.bundle)
        bank = Bank.empty(bundle) if saved.bank is None else Bank.load(saved.bank, bundle)
        return cls(bundle, _matching_backbone(bundle, saved.bundle.parent, saved.models, settings), bank, top=top)

    def follow(self) -> bool:
        """Switch to the version that is live now; returns whether it has changed.

        An answer that is under way is finished with the version with which it began.
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
        """The classes that an answer can have; see `class_rows`."""
        return class_rows(self._served.bundle, self._served.bank)

    def answer(self, photos: Sequence[Photo]) -> list[Answer | PhotoError]:
        """One answer per photo, in order; a photo that cannot be read has its error instead."""
        served = self._served
        with self._step("decode"):
            pixels = self._decoded(photos, served)
        return self._answered(pixels, served)

    def embed(self, photos: Sequence[Photo]) -> list[torch.Tensor | PhotoError]:
        """One unit vector (d,) float32 per photo, in order; a photo that cannot be read has its error instead."""
        served = self._served

        def embeddings(pixels: torch.Tensor) -> list[torch.Tensor]:
            with self._step("encode"), threads_for(len(pixels)):
                return list(served.backbone.encode_images(pixels).embedding.cpu())

        with self._step("decode"):
            pixels = self._decoded(photos, served)
        return _in_their_places(pixels, embeddings)

    def answer_files(self, paths: Sequence[Path]) -> Iterator[tuple[Path, Answer | PhotoError]]:
        """Each path with its answer, in order; see `answer_batches`."""
        batches = [paths[start : start + _BATCH] for start in range(0, len(paths), _BATCH)]
        answers = self.answer_batches([partial(Path, path) for path in batch] for batch in batches)
        for batch, answered in zip(batches, answers, strict=True):
            yield from zip(batch, answered, strict=True)

    def answer_batches(
        self, batches: Iterable[Sequence[Callable[[], bytes | Path]]]
    ) -> Iterator[list[Answer | PhotoError]]:
        """The answers to batches of photos, which are loaded when needed.

        While one batch is encoded, the next ones are loaded and decoded; at most three are in memory. All are answered
        by the version that is served when the first answer is asked for.

        Args:
            batches: of functions that load a photo and may raise PhotoError. A batch is encoded in one forward pass.
        """
        served = self._served
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            ahead: deque[list[Future[_Pixels | PhotoError]]] = deque()
            try:
                for batch in batches:
                    ahead.append([pool.submit(self._loaded_pixels, load, served) for load in batch])
                    if len(ahead) > _BATCHES_AHEAD:
                        yield self._answered([each.result() for each in ahead.popleft()], served)
                while ahead:
                    yield self._answered([each.result() for each in ahead.popleft()], served)
            finally:
                pool.shutdown(cancel_futures=True)

    def _loaded_pixels(self, load: Callable[[], bytes | Path], served: _Served) -> _Pixels | PhotoError:
        try:
            photo = load()
        except PhotoError as error:
            return error
        return self._pixels(photo, served=served)

    def _answered(self, pixels: list[_Pixels | PhotoError], served: _Served) -> list[Answer | PhotoError]:
        answers = _in_their_places(pixels, partial(self._answers, served=served))
        return [
            replace(answer, flaw=photo.flaw) if isinstance(answer, Answer) and isinstance(photo, _Pixels) else answer
            for photo, answer in zip(pixels, answers, strict=True)
        ]

    def _answers(self, pixels: torch.Tensor, *, served: _Served) -> list[Answer]:
        with self._step("encode"), threads_for(len(pixels)):
            encoded = served.backbone.encode_images(pixels, levels=True)
        self.on_embeddings(encoded.embedding)
        with self._step("head"):
            return self._rank(level_features(encoded, served.bundle.head.level_mode), served)

    def _decoded(self, photos: Sequence[Photo], served: _Served) -> list[_Pixels | PhotoError]:
        if len(photos) == 1:
            return [self._pixels(photos[0], served=served)]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            return list(pool.map(partial(self._pixels, served=served), photos))

    @contextmanager
    def _step(self, name: str) -> Iterator[None]:
        begun = perf_counter()
        yield
        self.on_step(name, perf_counter() - begun)

    def _pixels(self, photo: Photo, *, served: _Served) -> _Pixels | PhotoError:
        limits = served.bundle.limits
        name = str(photo) if isinstance(photo, Path) else "the photo"
        try:
            if isinstance(photo, Image.Image):
                with self._decoding.hold(photo.width * photo.height):
                    return _Pixels(served.backbone.preprocess(rgb_image(photo, limits, name=name)))
            content = read_photo(photo, limits, name=name) if isinstance(photo, Path) else photo
            with self._decoding.hold(count_pixels(content, limits, name=name)):
                decoded = decode(content, limits, name=name)
                return _Pixels(served.backbone.preprocess(decoded.image), decoded.flaw)
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
                    RankedClass(names[place], words[place], float(value))
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


@dataclass(frozen=True)
class _Pixels:
    """A photo as the backbone takes it, (3, s, s) float32, and the flaw of its file; see `Answer`."""

    tensor: torch.Tensor
    flaw: str | None = None


def _in_their_places(
    pixels: list[_Pixels | PhotoError], of_batch: Callable[[torch.Tensor], list[T]]
) -> list[T | PhotoError]:
    """The results of `of_batch` for the readable photos, in their places; errors keep their places."""
    readable = [photo.tensor for photo in pixels if isinstance(photo, _Pixels)]
    made: list[T] = []
    for start in range(0, len(readable), _BATCH):
        made += of_batch(torch.stack(readable[start : start + _BATCH]))
    in_order = iter(made)
    return [next(in_order) if isinstance(photo, _Pixels) else photo for photo in pixels]


@dataclass(frozen=True)
class _Served:
    """The bundle, bank and version that one answer uses from its first step to its last."""

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
