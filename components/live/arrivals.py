"""Reads, keeps and encodes photos that arrive for classes, and makes them live; every caller uses these functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from PIL import Image

from components.bank import Bank, class_name
from components.classifier import Bundle
from components.features import Features
from components.ingest import PhotoError, load_image, none_usable, read_photo, thumbnail_of
from components.live.opening import LiveWorkspace
from components.live.outcome import MisplacedPhoto, Outcome
from components.running import Runner, run_plainly
from components.workspace import Workspace

__all__ = ["ReadPhotos", "add", "change", "read_photos"]

_MOST_PIXELS = 64_000_000  # pixels of decoded photos kept in memory: 192 MB


@dataclass(frozen=True)
class ReadPhotos:
    """The readable photos of an arrival, kept in the workspace.

    Attributes:
        kept: class to the SHA-256 of its photos.
        refused: class to the photos that cannot be used, in the order given.
        names: SHA-256 of each kept photo to its file's name.
        images: pixels of kept photos, by SHA-256, while they are few, so that encoding need not decode them again.
        thumbnails: of all kept photos; see `thumbnail_of`.
    """

    kept: dict[str, list[str]]
    refused: dict[str, list[PhotoError]]
    names: dict[str, str] = field(default_factory=dict)
    images: dict[str, Image.Image] = field(default_factory=dict, repr=False)
    thumbnails: dict[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def together(cls, parts: Sequence[ReadPhotos]) -> ReadPhotos:
        """One arrival of several classes that were read separately."""
        read = cls({}, {})
        for part in parts:
            read.kept.update(part.kept)
            read.refused.update(part.refused)
            read.names.update(part.names)
            read.images.update(part.images)
            read.thumbnails.update(part.thumbnails)
        return read

    def require(self) -> None:
        """Check that every class has a photo.

        Raises:
            UserInputError: one has none that can be used, with what is wrong with the first.
        """
        for name, kept in self.kept.items():
            if not kept:
                raise none_usable(name, self.refused[name])


def add(
    workspace: Workspace,
    arrival: Mapping[str, Sequence[Path]],
    *,
    force: bool = False,
    live: LiveWorkspace | None = None,
    run: Runner = run_plainly,
) -> Outcome:
    """Add classes, or photos to added ones.

    Args:
        workspace: see `Workspace`.
        arrival: name to photos, or to folders with them.
        force: overrule the gate.
        live: a `LiveWorkspace` that is loaded already; None: it is opened.
        run: how each step is run.

    Raises:
        UserInputError: no photo can be used, or a name is not valid.
        RefusedByGateError: it would do harm.
    """
    live = live or LiveWorkspace.open(workspace)
    read = run("read", lambda: read_photos(live, arrival))
    return change(live, read, force=force, run=run)


def read_photos(
    live: LiveWorkspace,
    arrival: Mapping[str, Sequence[Path]],
    *,
    doubt: Callable[[Path, bytes], str | None] = lambda path, content: None,
) -> ReadPhotos:
    """Read and decode every photo once, within the limits of the live bundle, and keep the usable ones.

    Args:
        live: see `LiveWorkspace`.
        arrival: name to photos, or to folders with them.
        doubt: says why a file looks incomplete, None if it does not; such a file is not used.

    Raises:
        UserInputError: nothing is live yet, or a name is not valid.
    """
    bundle, bank = live.loaded()
    for name in arrival:
        class_name(name, (*bundle.class_names, *bank.names))
    read = ReadPhotos({name: [] for name in arrival}, {name: [] for name in arrival})
    pixels = 0
    for name, paths in arrival.items():
        for path in _files(paths):
            try:
                content = read_photo(path, bundle.limits, name=str(path))
                if missing := doubt(path, content):
                    raise PhotoError(missing, on=str(path), remedy="copy the photo again", reason="truncated")
                image = load_image(content, bundle.limits, name=str(path))
            except PhotoError as error:
                read.refused[name].append(error)
                continue
            photo = live.photos.keep(content)
            if photo in read.kept[name]:
                what = f"it is the same photo as {read.names[photo]}"
                read.refused[name].append(
                    PhotoError(what, on=str(path), remedy="give each photo once", reason="duplicate")
                )
                continue
            read.kept[name].append(photo)
            read.names.setdefault(photo, str(path))
            read.thumbnails[photo] = thumbnail_of(image.convert("L"))
            pixels += image.width * image.height
            if pixels > _MOST_PIXELS:  # encoded at once, so that many large photos do not fill the memory
                live.encode([*read.images, photo], bundle, {**read.images, photo: image})
                read.images.clear()
                pixels = 0
            else:
                read.images[photo] = image
    return read


def change(live: LiveWorkspace, read: ReadPhotos, *, force: bool = False, run: Runner = run_plainly) -> Outcome:
    """Make the classes of an arrival live.

    The photos are encoded before the writer's turn begins, so that other writers do not wait.

    Raises:
        UserInputError: no photo of a class can be used, or a name cannot be.
        RefusedByGateError: it would do harm.
    """
    read.require()
    bundle, _ = live.loaded()
    photos = [photo for kept in read.kept.values() for photo in kept]
    features = run("encode", lambda: live.encode(photos, bundle, read.images))
    kind = live.vocabulary_kind(bundle)
    made = run("change", lambda: live.changes.add(read.kept, live.stamp(), vocabulary=kind, force=force))
    bundle, bank = live.versions.load(made.version)
    names = {class_name(name, (*bundle.class_names, *bank.names)) for name in read.kept}
    return Outcome(
        made,
        tuple(error for refused in read.refused.values() for error in refused),
        tuple(each for each in bank.classes if each.name in names),
        read.names,
        _misfits(read, features, bundle, bank),
        live.twins_of(read.thumbnails),
        live.words_to_come(bundle),
    )


def _misfits(read: ReadPhotos, features: Features, bundle: Bundle, bank: Bank) -> tuple[MisplacedPhoto, ...]:
    """Photos given to trained classes that are answered as another class; for added classes the bank has them."""
    called = (*bundle.class_names, *bank.names)
    given = [(class_name(name, called), photo) for name, kept in read.kept.items() for photo in kept]
    rows = [row for row, (name, _) in enumerate(given) if name in bundle.class_names]
    if not rows:
        return ()
    answers = bank.logits(bundle, features[torch.tensor(rows)]).argmax(1).tolist()
    return tuple(
        MisplacedPhoto(*given[row], called[answer])
        for row, answer in zip(rows, answers, strict=True)
        if called[answer] != given[row][0]
    )


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        else:
            yield path
