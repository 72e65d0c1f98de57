"""The door for notebooks and programs: open a workspace, a bundle or a Bento, and ask it.

    shotline.open("my-workspace").classify(["a.jpg", "b.jpg"]).to_frame()
    shotline.Client("http://localhost:3000").classify(["a.jpg", "b.jpg"])

It calls the same functions as the command line and the service, and gives the same answers. Importing it loads no
model; a model is loaded when the first question needs it. Every error is a `ShotlineError`: what happened, on what, and
what to do.
"""

from __future__ import annotations

import dataclasses
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from components.errors import RefusedByGateError, ShotlineError, UserInputError
from components.on_demand import on_demand

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from components.ingest import PhotoError
    from components.live import Change, Versions
    from components.live.opening import LiveWorkspace
    from components.live.outcome import Outcome
    from components.live.versions import Version
    from components.retrieval import SimilarPhoto
    from components.serving.answers import Answer, PhotoClassifier, RankedClass
    from components.serving.client import Client, ServedAnswer, ServiceError
    from components.serving.given import GivenPhoto
    from components.serving.results import Answers, FoundPhotos
    from components.serving.saved import Saved
    from components.serving.search import LatestPhotos
    from components.workspace import Workspace

__all__ = [
    "Answer",
    "Answers",
    "Change",
    "Client",
    "FoundPhotos",
    "Outcome",
    "PhotoError",
    "RankedClass",
    "RefusedByGateError",
    "ServedAnswer",
    "ServiceError",
    "Shotline",
    "ShotlineError",
    "SimilarPhoto",
    "UserInputError",
    "Version",
    "open",
]

_log = logging.getLogger(__name__)

T = TypeVar("T")


def open(
    path: str | os.PathLike[str] = ".", *, device: str | None = None, precision: str | None = None, top: int = 5
) -> Shotline:
    """Open a workspace (or a folder in it), a bundle, a live version or a Bento.

    Args:
        path: the folder. A bundle (`models/bundle`) answers with its trained classes; a live version
            (`models/live/VERSION`) and a Bento with their added classes too; a workspace with what is live, whenever it
            is asked, and its classes can be changed.
        device: `auto`, `cpu` or `cuda`; None: what the workspace's parameters say, else `auto`.
        precision: `auto`, `fp32`, `bf16` or `fp16`; None likewise.
        top: how many classes an answer names, at least 1.

    Raises:
        UserInputError: there is nothing of that kind.

    >>> workspace = open(".")
    >>> workspace.classify("red.jpg")[0].top[0].class_name
    'red'
    >>> open("nowhere")
    Traceback (most recent call last):
      ...
    components.errors.UserInputError: there is no such folder (nowhere); give a workspace, a bundle or a Bento
    """
    if top < 1:
        raise UserInputError(f"top is {top}", on="shotline.open", remedy="name at least one class")
    folder = Path(path).expanduser()
    if not folder.is_dir():
        what = "it is no folder" if folder.exists() else "there is no such folder"
        raise UserInputError(what, on=str(path), remedy="give a workspace, a bundle or a Bento")
    folder = folder.resolve()
    how: dict[str, Any] = {
        name: value for name, value in (("device", device), ("precision", precision)) if value is not None
    }
    from components.serving.saved import Saved
    from components.workspace import Workspace

    if saved := Saved.found(folder):
        return Shotline(folder, None, how, top, saved)
    try:
        workspace = Workspace.find(folder)
    except UserInputError as error:
        raise UserInputError(
            "there is neither a workspace here, nor a bundle, nor a Bento", on=str(folder), remedy=error.remedy
        ) from None
    return Shotline(workspace.root, workspace, how, top)


class Shotline:
    """What `open` gives: a classifier that can be asked, and changed if it is a workspace's.

    Attributes:
        root: the folder of the workspace, bundle, live version or Bento.
    """

    def __init__(
        self,
        root: Path,
        workspace: Workspace | None,
        how: dict[str, Any],
        top: int,
        saved: Saved | None = None,
    ) -> None:
        self.root = root
        self._workspace = workspace
        self._how = how
        self._top = top
        self._saved = saved

    def __repr__(self) -> str:
        return f"shotline.open({str(self.root)!r})"

    def classify(self, photos: GivenPhoto | Iterable[GivenPhoto]) -> Answers:
        """Say what is on photos.

        Args:
            photos: one or several: paths, bytes of files, Pillow images, or arrays of pixels (RGB, channels last; see
                `components.serving.given.as_photo`).

        Returns:
            One `Answer` a photo, in order, a `PhotoError` in the place of a photo that cannot be read; `to_frame()` is
            a table of them, `to_json()` the lines of `shotline classify --json`.

        Raises:
            UserInputError: nothing is trained yet, or the backbone is missing or another one.

        >>> answers = workspace.classify(["red.jpg", "blue.jpg", "nowhere.jpg"])
        >>> [answer.top[0].class_name for answer in answers[:2]]
        ['red', 'blue']
        >>> answers[2].what
        'there is no such file'
        >>> from PIL import Image
        >>> workspace.classify(Image.open("red.jpg")) == workspace.classify("red.jpg")
        True
        """
        from components.serving.given import ask_each, path_of, photos_of
        from components.serving.results import Answers

        given = photos_of(photos)
        return Answers([path_of(each) for each in given], ask_each(given, self._classifier().answer))

    def embed(
        self, photos: GivenPhoto | Iterable[GivenPhoto] = (), *, texts: str | Sequence[str] = ()
    ) -> list[NDArray[np.float32] | PhotoError]:
        """Unit vectors of photos, then of texts, in the space of the backbone; their products are cosines.

        Args:
            photos: see `classify`.
            texts: encoded as they are written.

        Returns:
            (d,) float32 each, in order; a `PhotoError` in the place of a photo that cannot be read.

        >>> photo, text = workspace.embed("red.jpg", texts="a red plate")
        >>> photo.shape == text.shape, round(float(photo @ photo), 3)
        (True, 1.0)
        """
        from components.ingest import PhotoError
        from components.serving.given import ask_each, photos_of

        classifier = self._classifier()
        embedded = ask_each(photos_of(photos), classifier.embed)
        vectors = [each if isinstance(each, PhotoError) else each.numpy() for each in embedded]
        wanted = [texts] if isinstance(texts, str) else list(texts)
        if wanted:
            vectors += [each.numpy() for each in classifier.backbone.encode_texts(wanted).cpu()]
        return vectors

    def search(self, query: GivenPhoto, top: int = 20) -> FoundPhotos:
        """Find the workspace's photos that resemble a text or a photo, those of added classes included.

        Args:
            query: a text, or a photo as `classify` takes one; a string that is the path of a file is a photo.
            top: how many photos at most, at least 1.

        Returns:
            Most alike first; `to_frame()` is a table of them.

        Raises:
            UserInputError: a bundle or a Bento is open, which has no photos; or the photo cannot be used.

        >>> {found.class_name for found in workspace.search("red.jpg", top=3)}
        {'red'}
        """
        from components.ingest import PhotoError
        from components.serving.results import FoundPhotos
        from components.serving.search import photo_of

        self._for("has no photos to search")
        if top < 1:
            raise UserInputError(f"top is {top}", on="search", remedy="ask for at least one photo")
        classifier = self._classifier()
        photos = self._photos.read(classifier.backbone)
        if isinstance(query, str) and photo_of(query) is None:
            return FoundPhotos(photos.like(classifier.backbone.encode_texts([query])[0].cpu().numpy(), top))
        [embedded] = self.embed(query)
        if isinstance(embedded, PhotoError):
            raise embedded
        return FoundPhotos(photos.like(embedded, top))

    def add_class(self, name: str, photos: GivenPhoto | Iterable[GivenPhoto], *, force: bool = False) -> Outcome:
        """Add a class to what is live, or photos to an added one; no weight is trained, and it can be taken back.

        Args:
            name: what it is called, in words.
            photos: as `classify` takes them; a path may be a folder with photos.
            force: overrule the gate; the ledger says so.

        Raises:
            UserInputError: a bundle or a Bento is open, no photo can be used, or the name cannot be.
            RefusedByGateError: it would do harm; nothing is changed.

        >>> outcome = workspace.add_class("teal", ["teal1.jpg", "teal2.jpg", "teal3.jpg"], force=True)
        >>> [each.name for each in outcome.added]
        ['teal']
        >>> workspace.classify("teal1.jpg")[0].top[0].class_name
        'teal'
        """
        from components.live.arrivals import add
        from components.serving.given import files_of

        workspace = self._for("cannot be changed")
        with files_of(photos) as (files, temporary):
            outcome = self._changed(lambda live: add(workspace, {name: files}, force=force, live=live))
        # What did not come as a path is called `photo 0`, `photo 1`, ... as it was given.
        return (
            outcome
            if temporary is None
            else outcome.called_otherwise(lambda name: name.removeprefix(f"{temporary}{os.sep}"))
        )

    def remove_class(self, name: str) -> Change:
        """Take an added class out again, or the photos that wait for a trained one; all else stays as it is.

        Raises:
            UserInputError: a bundle or a Bento is open, or it is no added class and no photos wait for it.

        >>> _ = workspace.remove_class("teal")
        >>> [row["class"] for row in workspace.classes()]
        ['amber', 'blue', 'green', 'red', 'violet']
        """
        return self._changed(lambda live: live.changes.remove(name, live.stamp()))

    def rollback(self, version: str | None = None) -> Change:
        """Make an earlier version live again.

        Args:
            version: its name or how that begins, see `versions`; None for the one before.

        Raises:
            UserInputError: a bundle or a Bento is open, or there is no such version.

        >>> workspace.rollback().version.classes
        ('teal',)
        >>> workspace.rollback(workspace.versions()[0].name).version.classes
        ()
        """
        return self._changed(lambda live: live.changes.roll_back(live.stamp(), version))

    def versions(self) -> list[Version]:
        """Every version that was live, oldest first.

        Raises:
            UserInputError: a bundle or a Bento is open.

        >>> [version.classes for version in workspace.versions()]
        [(), ('teal',)]
        """
        self._for("has no versions")
        return self._known_versions().all()

    def classes(self) -> list[dict[str, Any]]:
        """The classes that answers can name, trained ones first.

        Returns:
            One object per class, as `shotline classes --json` gives: `class`, `kind` (`trained`, `added`), `since` (ISO
            8601; None for trained ones), `photos`; of a workspace also `waiting`, the photos that wait for consolidation.

        Raises:
            UserInputError: nothing is live yet.

        >>> workspace.classes()[0]
        {'class': 'amber', 'kind': 'trained', 'since': None, 'photos': 4, 'waiting': 0}
        """
        if self._workspace is None:
            return self._classifier().classes()
        from components.live.listing import live_class_rows

        return live_class_rows(self._known_versions(), self._workspace.ledger)

    def metrics(self) -> dict[str, Any]:
        """What the last training measured: `reports/metrics.json`.

        Raises:
            UserInputError: a bundle or a Bento is open, or nothing is trained yet.

        >>> 0 <= workspace.metrics()["shipped"]["top1"] <= 1
        True
        """
        from components.artefacts import read_metrics

        return read_metrics(self._for("has no metrics").reports)

    def _classifier(self) -> PhotoClassifier:
        """What answers, of the version that is live now; loaded at the first question."""
        classifier = self._loaded
        classifier.follow()
        return classifier

    @cached_property
    def _loaded(self) -> PhotoClassifier:
        from components.backbone import BackboneSettings
        from components.serving.answers import PhotoClassifier

        if self._workspace is None:
            assert self._saved is not None
            return PhotoClassifier.of_saved(self._saved, BackboneSettings(**self._how), top=self._top)
        settings = dataclasses.replace(
            self._workspace.parameters.section("backbone", BackboneSettings),
            **self._how,
        )
        return PhotoClassifier.load(self._workspace.models, settings, top=self._top)

    @cached_property
    def _photos(self) -> LatestPhotos:
        from components.serving.search import LatestPhotos

        return LatestPhotos(self.root)

    @cached_property
    def _live(self) -> LiveWorkspace:
        from components.live.opening import LiveWorkspace

        return LiveWorkspace.open(self._for("cannot be changed"))

    def _known_versions(self) -> Versions:
        from components.live import Versions

        assert self._workspace is not None
        versions = Versions(self._workspace.live)
        return self._live.versions if versions.current_name() is None else versions  # it may have to be made live first

    def _for(self, what: str) -> Workspace:
        """The workspace that is open.

        Raises:
            UserInputError: what is open is none; `what` says what it cannot do then.
        """
        if self._workspace is None:
            raise UserInputError(
                f"what is open {what}: it is no workspace",
                on=str(self.root),
                remedy="open the workspace that it comes from: shotline.open(WORKSPACE)",
            )
        return self._workspace

    def _changed(self, change: Callable[[LiveWorkspace], T]) -> T:
        from components.live.keeping_online import keep_online
        from components.stages import check_parameters

        workspace = self._for("cannot be changed")
        check_parameters(workspace)
        made = change(self._live)
        if failure := keep_online(workspace):
            _log.warning("Feast's online store was behind, and is tried again: %s", failure)
        return made


on_demand(__name__)
