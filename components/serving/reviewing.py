"""Review over HTTP, in the process of the changes: photos to label next, giving a word, and undoing it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from components.serving.changing import follow_up, live_part
from components.workspace import Workspace

__all__ = ["labels", "review", "say_of_label", "say_word", "take_word_back"]


def review(root: Path, top: int) -> list[dict[str, Any]]:
    """The photos of the pool to label next; `components.live.review.ReviewItem.to_json`. Raises as `review` there."""
    from components.live.review import review as next_photos

    return [item.to_json() for item in next_photos(live_part(root), Workspace(root), top)]


def say_word(root: Path, photos: Sequence[str], name: str, word: str, force: bool) -> dict[str, Any]:
    """Give photos of the pool a class, or say that they are `none` of the classes or `bad`.

    Returns:
        `said`, `photos`, `before` and `after` (versions; empty without a class), which `take_word_back` undoes, with
        `version` (live now) and `told`, lines for people.

    Raises:
        UserInputError: the pool lacks some of the photos, or the name or the word is not valid.
        RefusedByGateError: the class would do harm.
    """
    from components.live.review import give_word, label
    from components.live.telling import explain_outcome

    live, place = live_part(root), Workspace(root)
    told: list[str] = []
    if name:
        outcome, said = label(live, place, photos, name, force=force)
        told = explain_outcome(outcome).splitlines()
        follow_up(root)
    else:
        said = give_word(place, photos, word)
    facts = {"said": said.said, "photos": list(said.photos), "before": said.before, "after": said.after}
    return {**facts, "version": live.versions.in_use().name, "told": told}


def take_word_back(root: Path, said: str, photos: Sequence[str], before: str, after: str) -> dict[str, Any]:
    """Undo a word; `version` and `before`. Raises as `components.live.review.take_back`."""
    from components.live.review import Word, take_back

    live = live_part(root)
    earlier = live.versions.in_use().name
    take_back(live, Workspace(root), Word(said, tuple(photos), before, after))
    follow_up(root)
    return {"version": live.versions.in_use().name, "before": earlier}


def labels(root: Path, top: int) -> list[dict[str, Any]]:
    """The labels that are probably wrong; `components.live.labels.LabelToCheck.to_json`. Raises as `labels_to_check` there."""
    from components.live.labels import labels_to_check

    return [each.to_json() for each in labels_to_check(live_part(root), Workspace(root), top)]


def say_of_label(root: Path, photo: str, name: str, word: str) -> dict[str, Any]:
    """Relabel a photo, or say that it is to be left out (`drop`) or is labelled rightly (`right`), or take it back (`undo`).

    Returns:
        `components.live.labels.LabelSaid.to_json`, with `told`, lines for people.

    Raises:
        UserInputError: there is no such photo, class or word.
    """
    from components.live import labels as of_labels

    place = Workspace(root)
    if word == "undo":
        said = of_labels.take_label_back(place, photo)
    elif name:
        said = of_labels.say_of_label(place, photo, "relabel", name)
    else:
        said = of_labels.say_of_label(place, photo, "drop" if word == "drop" else "right")
    return {**said.to_json(), "told": [said.told]}
