"""Photos that arrive for classes: read, kept, and handed to the live workspace; what came of it, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch
from PIL import Image

from components.bank import Bank, BankedClass, class_name
from components.classifier import Bundle
from components.errors import UserInputError
from components.features import Features
from components.ingest import PhotoError, Twin, load_image, read_photo, thumbnail_of
from components.live import Change
from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from flows.wording import counted

__all__ = ["Outcome", "ReadPhotos", "Step", "add", "build_vocabulary", "change", "explain", "read_photos", "run"]

T = TypeVar("T")

_MOST_TOLD = 3
_MOST_PIXELS = 64_000_000  # of decoded photos at hand: 192 MB


class Step(Protocol):
    """Takes a step of an arrival, called by its name (`read`, `encode`, `change`), and gives what it gives."""

    def __call__(self, name: str, step: Callable[[], T], /) -> T:
        """What `step` gives."""


@dataclass(frozen=True)
class Misfit:
    """A photo given to a trained class that the classifier takes for another.

    Attributes:
        class_name: the class that it was given to.
        photo: its SHA-256.
        taken_for: the class with the highest probability.
    """

    class_name: str
    photo: str
    taken_for: str


@dataclass(frozen=True)
class Outcome:
    """What an arrival came to.

    Attributes:
        change: see `Change`.
        refused: photos that could not be used.
        added: of each class that arrived and is now an added one, what is known of it.
        names: what photos that came now were called, by their SHA-256.
        misfits: photos given to trained classes that are answered otherwise now.
        twins: photos that came now and nearly equal another, by SHA-256.
        words: how many words of the whole vocabulary of how many are encoded, while that is being built; None else.
    """

    change: Change
    refused: tuple[PhotoError, ...]
    added: tuple[BankedClass, ...]
    names: Mapping[str, str]
    misfits: tuple[Misfit, ...] = ()
    twins: Mapping[str, Twin] = field(default_factory=dict)
    words: tuple[int, int] | None = None

    def called(self, photo: str) -> str:
        """What a photo is called for people."""
        return self.names.get(photo, f"an earlier photo, {photo[:12]}")

    def twin_called(self, twin: Twin) -> str:
        """Where the photo lies that another nearly equals."""
        return f"data/raw/{twin.path}" if twin.path else self.called(twin.photo)

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        verdict = self.change.verdict
        return {
            "version": self.change.version.name,
            "before": self.change.before.name,
            "base_drop": None if verdict is None else verdict.base_drop,
            "known_photos": None if verdict is None else asdict(verdict.change),
            "overruled": [] if verdict is None else list(verdict.refusals),
            "waiting": list(self.change.waiting),
            "misfits": [
                {"class": each.class_name, "path": self.called(each.photo), "taken_for": each.taken_for}
                for each in self.misfits
            ],
            "near_duplicates": [
                {"path": self.called(photo), "of": self.twin_called(twin), "class": twin.class_name or None}
                for photo, twin in self.twins.items()
            ],
            "refused_photos": [{"path": error.on, "reason": error.reason} for error in self.refused],
            "classes": [
                {
                    "class": each.name,
                    "photos": len(each.photos),
                    "form": each.form,
                    "name_means_something": each.name_means_something,
                    "recall": each.recall,
                    **each.explanation,
                }
                for each in self.added
            ],
        }


@dataclass(frozen=True)
class ReadPhotos:
    """What could be read of an arrival, kept in the workspace.

    Attributes:
        kept: of each class the SHA-256 of its photos.
        refused: of each class the photos that cannot be used, in the order given.
        names: what the photos that are kept were called, by their SHA-256.
        images: pixels of those that are kept, by SHA-256, as long as they are few: encoding then decodes none again.
        thumbnails: of all that are kept; see `thumbnail_of`.
    """

    kept: dict[str, list[str]]
    refused: dict[str, list[PhotoError]]
    names: dict[str, str] = field(default_factory=dict)
    images: dict[str, Image.Image] = field(default_factory=dict, repr=False)
    thumbnails: dict[str, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def together(cls, parts: Sequence[ReadPhotos]) -> ReadPhotos:
        """Of several classes, each read by itself."""
        read = cls({}, {})
        for part in parts:
            read.kept.update(part.kept)
            read.refused.update(part.refused)
            read.names.update(part.names)
            read.images.update(part.images)
            read.thumbnails.update(part.thumbnails)
        return read

    def require(self) -> None:
        """See that every class has a photo.

        Raises:
            UserInputError: one has none that can be used, with what is wrong with the first.
        """
        for name, kept in self.kept.items():
            if not kept:
                refused = self.refused[name]
                raise UserInputError(
                    f"none of its photos can be used; the first, {refused[0].on}: {refused[0].what}"
                    if refused
                    else "there is no photo of it",
                    on=name,
                    remedy="give at least one JPEG, PNG or WebP photo",
                )


def run(name: str, step: Callable[[], T]) -> T:
    """The plain way to take a step; a flow makes a task of it."""
    return step()


def add(
    workspace: Workspace,
    arrival: Mapping[str, Sequence[Path]],
    *,
    force: bool = False,
    live: LiveWorkspace | None = None,
    call: Step = run,
) -> Outcome:
    """Add classes, or photos to added ones.

    Args:
        workspace: see `Workspace`.
        arrival: name to photos, or to folders with them.
        force: overrule the gate.
        live: a warm one; opened where None.
        call: how each step is taken.

    Raises:
        UserInputError: no photo can be used, or a name cannot be.
        RefusedByGateError: it would do harm.
    """
    live = live or LiveWorkspace.open(workspace)
    read = call("read", lambda: read_photos(live, arrival))
    return change(live, read, force=force, call=call)


def read_photos(
    live: LiveWorkspace,
    arrival: Mapping[str, Sequence[Path]],
    *,
    doubt: Callable[[Path, bytes], str | None] = lambda path, content: None,
) -> ReadPhotos:
    """Read and decode every photo once, within the limits of the bundle that is live, and keep what can be used.

    Args:
        live: see `LiveWorkspace`.
        arrival: name to photos, or to folders with them.
        doubt: why a file looks as if it were not all there yet; it is not used then.

    Raises:
        UserInputError: nothing is live yet, or a name cannot be.
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
            if pixels > _MOST_PIXELS:  # encoded as they are, so that many large photos do not fill the memory
                live.encode([*read.images, photo], bundle, {**read.images, photo: image})
                read.images.clear()
                pixels = 0
            else:
                read.images[photo] = image
    return read


def change(live: LiveWorkspace, read: ReadPhotos, *, force: bool = False, call: Step = run) -> Outcome:
    """Make the classes of an arrival live.

    The photos are encoded first, so that other writers need not wait meanwhile.

    Raises:
        UserInputError: no photo of a class can be used, or a name cannot be.
        RefusedByGateError: it would do harm.
    """
    read.require()
    bundle, _ = live.loaded()
    photos = [photo for kept in read.kept.values() for photo in kept]
    features = call("encode", lambda: live.encode(photos, bundle, read.images))
    kind = live.vocabulary_kind(bundle)
    made = call("change", lambda: live.changes.add(read.kept, live.stamp(), vocabulary=kind, force=force))
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


def _misfits(read: ReadPhotos, features: Features, bundle: Bundle, bank: Bank) -> tuple[Misfit, ...]:
    """Photos given to trained classes that are answered as another class; of added ones the bank itself says so."""
    called = (*bundle.class_names, *bank.names)
    given = [(class_name(name, called), photo) for name, kept in read.kept.items() for photo in kept]
    rows = [row for row, (name, _) in enumerate(given) if name in bundle.class_names]
    if not rows:
        return ()
    answers = bank.logits(bundle, features[torch.tensor(rows)]).argmax(1).tolist()
    return tuple(
        Misfit(*given[row], called[answer])
        for row, answer in zip(rows, answers, strict=True)
        if called[answer] != given[row][0]
    )


def build_vocabulary(workspace: Workspace, progress: Callable[[int, int], None]) -> int:
    """Build the whole vocabulary of the live version's backbone, or wait for whoever does; how many words it has.

    Args:
        workspace: see `Workspace`.
        progress: told how many words of how many are encoded.

    Raises:
        UserInputError: nothing is live, or the backbone has no words.
    """
    live = LiveWorkspace.open(workspace)
    bundle, _ = live.loaded()
    if bundle.text_embeddings is None:
        raise UserInputError("this backbone has no words", on=bundle.backbone["name"], remedy="photos speak alone here")
    whole = live.whole_vocabulary(bundle)
    return len((whole.read() or whole.build(progress)).words)


def explain(outcome: Outcome) -> str:
    """The outcome for people, several lines."""
    change = outcome.change
    lines = []
    for name in change.waiting:
        lines.append(
            f"{name}: a trained class; its photos wait for consolidation (shotline remove-class takes them back)"
        )
        misfits = [(each.photo, each.taken_for) for each in outcome.misfits if each.class_name == name]
        lines += _told_of_misfits(outcome, misfits)
    for each in outcome.added:
        lines += _told_of_class(outcome, each)
    lines += _told_of_twins(outcome)
    if outcome.words is not None:
        lines.append(
            "names were judged by the starter vocabulary; the whole one is being built "
            f"({outcome.words[0]:,} of {outcome.words[1]:,} words; shotline vocabulary)"
        )
    if change.version == change.before:
        lines.append(f"live: {change.version.name}, as before")
        return "\n".join(lines)
    if change.verdict is not None:
        lines.append(change.verdict.told)
        lines += [f"forced although {reason}" for reason in change.verdict.refusals]
    lines.append(f"live: {change.version.name} (back: shotline rollback {change.before.name})")
    return "\n".join(lines)


def _told_of_class(outcome: Outcome, added: BankedClass) -> list[str]:
    told = added.explanation
    lines = [f"{added.name}: {counted(len(added.photos), 'photo')}, by the form {added.form}"]
    if added.recall is not None:
        right = round(added.recall * len(added.photos))
        lines.append(f"  {added.recall:.0%} of its photos ({right} of {len(added.photos)}) are found when left out")
    if not added.name_means_something:
        lines.append("  its name says nothing of its photos, so they speak alone")
    if told["words"]:
        lines.append(f"  sits among the words {', '.join(told['words'])}")
    if told["neighbours"]:
        near = ", ".join(
            f"{other['name']} (on photos of it this class gets {other['after']:.0%}, at the start "
            f"{other['before']:.0%})"
            for other in told["neighbours"][:3]
        )
        lines.append(f"  most like {near}")
    return lines + _told_of_misfits(
        outcome, [(added.photos[misfit["photo"]], misfit["taken_for"]) for misfit in told["misfits"]]
    )


def _told_of_misfits(outcome: Outcome, misfits: Sequence[tuple[str, str]]) -> list[str]:
    lines = [
        f"  fits least: {outcome.called(photo)}, taken for {taken_for}; is its label right?"
        for photo, taken_for in misfits[:_MOST_TOLD]
    ]
    return lines + _more(misfits, "of its photos are taken for another class")


def _told_of_twins(outcome: Outcome) -> list[str]:
    lines = []
    for photo, twin in list(outcome.twins.items())[:_MOST_TOLD]:
        whose = f", a photo of {twin.class_name}" if twin.class_name else ""
        lines.append(f"nearly the same picture: {outcome.called(photo)} and {outcome.twin_called(twin)}{whose}")
    return lines + _more([*outcome.twins], "photos nearly equal another")


def _more(things: Sequence[object], what: str) -> list[str]:
    left = len(things) - _MOST_TOLD
    return [f"  and {left} more {what}"] if left > 0 else []


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        else:
            yield path
