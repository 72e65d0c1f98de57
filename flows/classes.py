"""Photos that arrive for classes: read, kept, and handed to the live workspace; what came of it, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from components.bank import class_name
from components.classifier import Bundle
from components.errors import UserInputError
from components.ingest import PhotoError, load_image, read_photo
from components.live import Change
from components.live.opening import LiveWorkspace
from components.workspace import Workspace
from flows.wording import counted

__all__ = ["Outcome", "ReadPhotos", "Step", "add", "build_vocabulary", "change", "explain", "read_photos", "run"]

T = TypeVar("T")


class Step(Protocol):
    """Takes a step of an arrival, called by its name (`read`, `encode`, `change`), and gives what it gives."""

    def __call__(self, name: str, step: Callable[[], T], /) -> T:
        """What `step` gives."""


@dataclass(frozen=True)
class Outcome:
    """What an arrival came to.

    Attributes:
        change: see `Change`.
        refused: photos that could not be used.
        added: of each class that arrived and is now an added one, what is known of it.
        names: what photos that came now were called, by their SHA-256.
        words: how many words of the whole vocabulary of how many are encoded, while that is being built; None else.
    """

    change: Change
    refused: tuple[PhotoError, ...]
    added: tuple[Any, ...]
    names: Mapping[str, str]
    words: tuple[int, int] | None = None

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
    """

    kept: dict[str, list[str]]
    refused: dict[str, list[PhotoError]]
    names: dict[str, str] = field(default_factory=dict)

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


def read_photos(live: LiveWorkspace, arrival: Mapping[str, Sequence[Path]]) -> ReadPhotos:
    """Read every photo once, within the limits of the bundle that is live, and keep what can be used.

    Raises:
        UserInputError: nothing is live yet, or a name cannot be.
    """
    for name in arrival:
        class_name(name)
    limits = _bundle(live).limits
    read = ReadPhotos({name: [] for name in arrival}, {name: [] for name in arrival})
    for name, paths in arrival.items():
        for path in _files(paths):
            try:
                content = read_photo(path, limits, name=str(path))
                load_image(content, limits, name=str(path))
            except PhotoError as error:
                read.refused[name].append(error)
            else:
                photo = live.photos.keep(content)
                if photo in read.kept[name]:
                    what = f"it is the same photo as {read.names[photo]}"
                    read.refused[name].append(
                        PhotoError(what, on=str(path), remedy="give each photo once", reason="duplicate")
                    )
                    continue
                read.kept[name].append(photo)
                read.names.setdefault(photo, str(path))
    return read


def change(live: LiveWorkspace, read: ReadPhotos, *, force: bool = False, call: Step = run) -> Outcome:
    """Make the classes of an arrival live.

    The photos are encoded first, so that other writers need not wait meanwhile.

    Raises:
        UserInputError: no photo of a class can be used, or a name cannot be.
        RefusedByGateError: it would do harm.
    """
    read.require()
    bundle = _bundle(live)
    call("encode", lambda: live.encode([photo for photos in read.kept.values() for photo in photos], bundle))
    kind = live.vocabulary_kind(bundle)
    made = call("change", lambda: live.changes.add(read.kept, live.stamp(), vocabulary=kind, force=force))
    bank = live.versions.load(made.version)[1]
    added = tuple(each for each in bank.classes if each.name in {class_name(name) for name in read.kept})
    return Outcome(
        made,
        tuple(error for refused in read.refused.values() for error in refused),
        added,
        read.names,
        live.words_to_come(bundle),
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
    bundle = _bundle(live)
    if bundle.text_embeddings is None:
        raise UserInputError("this backbone has no words", on=bundle.backbone["name"], remedy="photos speak alone here")
    whole = live.whole_vocabulary(bundle)
    return len((whole.read() or whole.build(progress)).words)


def explain(outcome: Outcome) -> str:
    """The outcome for people, several lines."""
    change = outcome.change
    lines = [
        f"{name}: a trained class; its photos wait for consolidation (shotline remove-class takes them back)"
        for name in change.waiting
    ]
    for each in outcome.added:
        told = each.explanation
        lines.append(f"{each.name}: {counted(len(each.photos), 'photo')}, by the form {each.form}")
        if each.recall is not None:
            lines.append(f"  {each.recall:.0%} of its photos are found when they are left out")
        if not each.name_means_something:
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
        for misfit in told["misfits"][:3]:
            photo = each.photos[misfit["photo"]]
            called = outcome.names.get(photo, f"an earlier photo, {photo[:12]}")
            lines.append(f"  fits least: {called}, taken for {misfit['taken_for']}; is its label right?")
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


def _bundle(live: LiveWorkspace) -> Bundle:
    version = live.versions.current()
    if version is None:
        raise UserInputError(
            "nothing is live yet", on=str(live.versions.folder), remedy="train first: shotline train PHOTOS"
        )
    return live.versions.load(version)[0]


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        else:
            yield path
