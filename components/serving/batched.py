"""The service that BentoML batches: it joins photos and texts of concurrent requests into one forward pass.

The process that runs it holds the model. `SHOTLINE_DEVICE` and `SHOTLINE_PRECISION` say where and how it computes (see
`components.backbone.load_backbone`), `SHOTLINE_WORKSPACE` names what is served (see `components.serving.place`),
`SHOTLINE_CLASSIFIERS` is the number of such processes.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import bentoml
from bentoml.exceptions import BentoMLException, ServiceUnavailable

from components.errors import ShotlineError
from components.serving.ending import EndsInTime
from components.serving.measured import count_batch, count_live_version, count_step, show_shift
from components.serving.place import Place

if TYPE_CHECKING:
    from components.ingest import PhotoError
    from components.serving.answers import PhotoClassifier
    from components.serving.search import LatestPhotos

__all__ = ["Classifier", "NotTrainedError"]

_log = logging.getLogger(__name__)

_FOREVER = 10**12


class NotTrainedError(BentoMLException):  # type: ignore[misc]  # BentoML ships no types
    """The workspace has no classifier yet; the edge answers with this error."""

    error_code = HTTPStatus.CONFLICT


def _without_stack(record: logging.LogRecord) -> bool:
    """Drops BentoML's 40 lines per request about states that are no fault: overload, and nothing trained yet."""
    if record.exc_info and isinstance(record.exc_info[1], ServiceUnavailable | NotTrainedError):
        record.msg, record.args = f"{record.getMessage()}: {record.exc_info[1]}", ()
        record.exc_info = None
    return True


logging.getLogger("bentoml._internal.server.http_app").addFilter(_without_stack)


@bentoml.service(
    name="classifier",
    threads=1,
    workers=int(os.environ.get("SHOTLINE_CLASSIFIERS", "1")),
    traffic={"timeout": 60},
    logging={"access": {"enabled": False}},  # the edge logs each request
    # After so many requests or seconds BentoML would close the edge's connections, with every request under way.
    runner_connection={"max_requests": _FOREVER, "max_age": float(_FOREVER)},
)
class Classifier:
    """Photos to answers, batched over requests."""

    def __init__(self) -> None:
        self._place = Place.said()
        self._classifier: PhotoClassifier | None = None
        self._loading = threading.Lock()
        self._photos: LatestPhotos | None = None
        if self._place.workspace is not None:
            # Search needs it. BentoML looks at loaded modules while it batches, and must not find one half imported.
            importlib.import_module("pandas")
        if self._place.live_name() is not None:
            self._load()

    async def __is_ready__(self) -> bool:
        """Whether it can answer; a classifier that was trained since its start is loaded by this call."""
        if self._classifier is None and not self._loading.locked() and self._place.live_name() is not None:
            threading.Thread(target=self._load, daemon=True).start()
        return self._classifier is not None

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=10_000)  # type: ignore[untyped-decorator]
    def classify(self, photos: list[bytes]) -> list[dict[str, Any]]:
        """One object per photo: an answer, or `error` with what is wrong with the photo."""
        from components.serving.answers import Answer

        classifier = self._followed()
        count_batch(len(photos))
        return [
            answer.to_json() if isinstance(answer, Answer) else _photo_error(answer)
            for answer in classifier.answer(photos)
        ]

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=10_000)  # type: ignore[untyped-decorator]
    def embed(self, photos: list[bytes]) -> list[dict[str, Any]]:
        """One object per photo: its unit vector, or `error` with what is wrong with the photo."""
        from components.ingest import PhotoError

        classifier = self._followed()
        return [
            _photo_error(each) if isinstance(each, PhotoError) else _embedded(each.tolist(), classifier)
            for each in classifier.embed(photos)
        ]

    @bentoml.api(batchable=True, batch_dim=0, max_batch_size=64, max_latency_ms=10_000)  # type: ignore[untyped-decorator]
    def embed_texts(self, texts: list[str]) -> list[dict[str, Any]]:
        """One object per text: its unit vector."""
        classifier = self._followed()
        return [_embedded(each, classifier) for each in classifier.backbone.encode_texts(texts).tolist()]

    @bentoml.api  # type: ignore[untyped-decorator]
    def like(self, query: list[float], top: int) -> dict[str, Any]:
        """The workspace's photos most similar to a unit vector: `photos`, or `error` and its `status`."""
        if self._place.workspace is None:
            return _refused(
                HTTPStatus.NOT_FOUND,
                "no_photos",
                "a Bento carries no photos to search",
                "search where the photos are: `shotline serve` or `shotline search` in the workspace",
            )
        from components.serving.search import LatestPhotos  # a Bento has none of what this needs

        self._photos = self._photos or LatestPhotos(self._place.workspace)
        try:
            photos = self._photos.read(self._followed().backbone)
        except ShotlineError as error:
            return _refused(HTTPStatus.CONFLICT, "not_searchable", error.what, error.remedy)
        return {"photos": [{**found.to_json(), "photo": found.photo} for found in photos.like(query, top)]}

    @bentoml.api  # type: ignore[untyped-decorator]
    def classes(self) -> list[dict[str, Any]]:
        """The classes that an answer can have."""
        return self._followed().classes()

    def _followed(self) -> PhotoClassifier:
        """The classifier, of the version that is live now.

        Raises:
            NotTrainedError: there is none yet.
        """
        if self._classifier is None:
            if self._place.live_name() is None:
                raise NotTrainedError("there is no classifier here yet")
            self._load()
        assert self._classifier is not None
        before = self._classifier.version
        try:
            if self._classifier.follow():
                count_live_version(self._classifier.version, before)
        except ShotlineError as error:  # the earlier version keeps answering
            _log.error("%s", error)
        return self._classifier

    def _load(self) -> None:
        from components.backbone import BackboneSettings
        from components.serving.answers import PhotoClassifier
        from components.serving.drift import ShiftWatch

        settings = BackboneSettings(
            device=os.environ.get("SHOTLINE_DEVICE", "auto"), precision=os.environ.get("SHOTLINE_PRECISION", "auto")
        )
        with self._loading:
            if self._classifier is None:
                classifier = PhotoClassifier.load(self._place.models, settings)
                classifier.on_step = count_step
                watch = ShiftWatch(show_shift)
                classifier.on_embeddings = lambda embeddings: watch.see(classifier, embeddings)
                count_live_version(classifier.version, None)
                self._classifier = classifier


for _method in Classifier.apis.values():  # type: ignore[attr-defined]
    _method.output_spec.media_type = (
        "application/json"  # else BentoML would derive it for each answer from a new schema
    )

Classifier.add_asgi_middleware(EndsInTime)  # type: ignore[attr-defined]


def _photo_error(error: PhotoError) -> dict[str, Any]:
    return {"error": {"code": error.reason, "message": error.what, "remedy": error.remedy}}


def _embedded(embedding: list[float], classifier: PhotoClassifier) -> dict[str, Any]:
    """Vectors are comparable where `backbone` is the same."""
    return {"embedding": embedding, "backbone": classifier.backbone.identity.weights[:12]}


def _refused(status: HTTPStatus, code: str, message: str, remedy: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "remedy": remedy}, "status": int(status)}
