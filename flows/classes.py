"""Photos that arrive for classes: read, kept, and handed to the live workspace; what came of it, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.errors import UserInputError
from components.ingest import PhotoError, load_image, read_photo
from components.live import Change
from components.live.opening import LiveWorkspace
from components.workspace import Workspace

__all__ = ["Outcome", "add", "build_vocabulary", "explain"]


@dataclass(frozen=True)
class Outcome:
    """What an arrival came to.

    Attributes:
        change: see `Change`.
        refused: photos that could not be used.
        added: of each class that arrived and is now an added one, what is known of it.
        words: how many words of the whole vocabulary of how many are encoded, while that is being built; None else.
    """

    change: Change
    refused: tuple[PhotoError, ...]
    added: tuple[Any, ...]
    words: tuple[int, int] | None = None

    def to_json(self) -> dict[str, Any]:
        """For scripts."""
        verdict = self.change.verdict
        return {
            "version": self.change.version.name,
            "before": self.change.before.name,
            "base_drop": None if verdict is None else verdict.base_drop,
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


def add(
    workspace: Workspace,
    arrival: Mapping[str, Sequence[Path]],
    *,
    force: bool = False,
    live: LiveWorkspace | None = None,
) -> Outcome:
    """Add classes, or photos to added ones.

    Args:
        workspace: see `Workspace`.
        arrival: name to photos, or to folders with them.
        force: overrule the gate.
        live: a warm one; opened where None.

    Raises:
        UserInputError: no photo can be used, or a name cannot be.
        RefusedByGateError: it would do harm.
    """
    live = live or LiveWorkspace.open(workspace)
    version = live.versions.current()
    if version is None:
        raise UserInputError("nothing is live yet", on=str(workspace.live), remedy="train first: shotline train PHOTOS")
    bundle = live.versions.load(version)[0]
    refused: list[PhotoError] = []
    kept: dict[str, list[str]] = {}
    for name, paths in arrival.items():
        kept[name] = []
        for path in _files(paths):
            try:
                content = read_photo(path, bundle.limits, name=str(path))
                load_image(content, bundle.limits, name=str(path))
            except PhotoError as error:
                refused.append(error)
            else:
                kept[name].append(live.photos.keep(content))
        if not kept[name]:
            first = f"; the first, {refused[0].on}: {refused[0].what}" if refused else ""
            raise UserInputError(
                f"none of its photos can be used{first}", on=name, remedy="give at least one JPEG, PNG or WebP photo"
            )
    kind = live.vocabulary_kind(bundle)
    change = live.changes.add(kept, live.stamp(), vocabulary=kind, force=force)
    bank = live.versions.load(change.version)[1]
    added = tuple(each for each in bank.classes if each.name in {" ".join(name.split()) for name in kept})
    return Outcome(change, tuple(refused), added, live.words_to_come(bundle))


def build_vocabulary(workspace: Workspace, progress: Callable[[int, int], None]) -> int:
    """Build the whole vocabulary of the live version's backbone, or wait for whoever does; how many words it has.

    Args:
        workspace: see `Workspace`.
        progress: told how many words of how many are encoded.

    Raises:
        UserInputError: nothing is live, or the backbone has no words.
    """
    live = LiveWorkspace.open(workspace)
    version = live.versions.current()
    if version is None:
        raise UserInputError("nothing is live yet", on=str(workspace.live), remedy="train first: shotline train PHOTOS")
    bundle = live.versions.load(version)[0]
    if bundle.text_embeddings is None:
        raise UserInputError("this backbone has no words", on=bundle.backbone["name"], remedy="photos speak alone here")
    whole = live.whole_vocabulary(bundle)
    return len((whole.read() or whole.build(progress)).words)


def explain(outcome: Outcome) -> str:
    """The outcome for people, several lines."""
    change = outcome.change
    lines = [f"{name}: a trained class; its photos wait for consolidation" for name in change.waiting]
    for each in outcome.added:
        told = each.explanation
        lines.append(f"{each.name}: {len(each.photos)} photos, by the form {each.form}")
        if each.recall is not None:
            lines.append(f"  {each.recall:.0%} of its photos are found when they are left out")
        if not each.name_means_something:
            lines.append("  its name says nothing of its photos, so they speak alone")
        if told["words"]:
            lines.append(f"  sits among the words {', '.join(told['words'])}")
        if told["neighbours"]:
            near = ", ".join(
                f"{other['name']} (probability on its photos {other['before']:.0%} -> {other['after']:.0%})"
                for other in told["neighbours"][:3]
            )
            lines.append(f"  most like {near}")
        for misfit in told["misfits"][:3]:
            photo = each.photos[misfit["photo"]][:12]
            lines.append(f"  fits least: photo {photo}, taken for {misfit['taken_for']}; is its label right?")
    if outcome.words is not None:
        lines.append(
            "names were judged by the starter vocabulary; the whole one is being built "
            f"({outcome.words[0]:,} of {outcome.words[1]:,} words; shotline vocabulary)"
        )
    if change.version == change.before:
        lines.append(f"live: {change.version.name}, as before")
        return "\n".join(lines)
    if change.verdict is not None:
        lines.append(f"known classes lose {change.verdict.base_drop:.1%} of their photos by it")
        lines += [f"forced although {reason}" for reason in change.verdict.refusals]
    lines.append(f"live: {change.version.name} (back: shotline rollback {change.before.name})")
    return "\n".join(lines)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        else:
            yield path
