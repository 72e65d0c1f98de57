"""Review: which photos of the pool are most worth a label, and what a person's word on them does.

A class given as a word is an arrival like any other: it passes the gate, is in the ledger with who and when, and can be
undone.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from components.backbone import BackboneSettings, load_with_beside
from components.bank import class_name, states
from components.errors import UserInputError
from components.features import FeatureCache, FeaturesSettings, PhotoFeatures, View
from components.ingest import IngestSettings
from components.live.arrivals import add
from components.live.changes import Change
from components.live.opening import LiveWorkspace
from components.live.outcome import Outcome
from components.pool import Pool, PooledPhoto, rank
from components.workspace import Workspace

__all__ = [
    "ReviewItem",
    "Word",
    "give_word",
    "into_folders",
    "label",
    "review",
    "take_back",
]

_LIKELY = 9  # likely classes shown: as many as there are number keys
_ALIKE = 0.9  # cosine of two embeddings, after subtracting the pool's mean, from which photos show the same thing
_MOST_ALIKE = 24


@dataclass(frozen=True)
class ReviewItem:
    """A photo that a person should label.

    Attributes:
        photo: SHA-256 of its bytes.
        name: its file's name.
        path: where it lies in the pool.
        likely: the likeliest classes, each with its probability, highest first; empty if nothing is trained yet.
        abstained: whether the answer is "unknown".
        uncertainty: 0 to 1; see `components.pool.Ranked`.
        typical: 0 to 1; see `components.pool.Ranked`.
        alike: other photos of the pool that look the same and have the same answer, the most similar first.
    """

    photo: str
    name: str
    path: Path
    likely: tuple[tuple[str, float], ...]
    abstained: bool
    uncertainty: float
    typical: float
    alike: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The form that `review --json` and `GET /review` give."""
        return {
            "photo": self.photo,
            "name": self.name,
            "likely": [{"class": name, "probability": round(share, 4)} for name, share in self.likely],
            "abstained": self.abstained,
            "uncertainty": round(self.uncertainty, 4),
            "typical": round(self.typical, 4),
            "alike": list(self.alike),
        }


@dataclass(frozen=True)
class Word:
    """The result of a word, from which `take_back` undoes it.

    Attributes:
        said: the class, or `none`, or `bad`.
        photos: SHA-256 of its photos.
        before: the version that was live before; empty if no class was given.
        after: the version that is live now; empty if no class was given. It equals `before` if the photos wait for
            consolidation.
    """

    said: str
    photos: tuple[str, ...]
    before: str = ""
    after: str = ""


def review(live: LiveWorkspace, workspace: Workspace, top: int) -> list[ReviewItem]:
    """The photos of the pool to label next, the most useful first; without those that have a label or a word.

    If nothing is trained yet, they are typical photos that are unlike each other, to begin with.

    Raises:
        UserInputError: a photo of the pool is missing.
    """
    pool = Pool(workspace.pool)
    if live.versions.current_name() is None:
        return _to_begin_with(workspace, pool, top)
    open_photos = _without_word(live, pool)
    if not open_photos:
        return []
    names = live.class_names()
    photos = [each.photo for each in open_photos]
    answers, rows = live.answers_to(photos, lambda: pool.files(photos))
    _, bank = live.loaded()
    embeddings, probabilities = rows.numpy(), answers.probabilities.numpy()
    ranked = rank(embeddings, probabilities, bank.known.embeddings.numpy(), top)
    taken_for = probabilities.argmax(1)
    return [
        ReviewItem(
            photo=photos[each.row],
            name=open_photos[each.row].name,
            path=pool.path(photos[each.row]),
            likely=_likely(probabilities[each.row], names),
            abstained=bool(answers.abstained[each.row]),
            uncertainty=each.uncertainty,
            typical=each.typical,
            alike=tuple(photos[row] for row in _alike(embeddings, taken_for, each.row)),
        )
        for each in ranked
    ]


def _to_begin_with(workspace: Workspace, pool: Pool, top: int) -> list[ReviewItem]:
    """The review of a pool when nothing is trained: no photo has a likely class."""
    photos = [each for each in pool.photos() if not each.word]
    if not photos:
        return []
    parameters = workspace.parameters
    backbone = load_with_beside(parameters.section("backbone", BackboneSettings), workspace.models)
    features = PhotoFeatures(
        FeatureCache(workspace.features_cache),
        mode=parameters.section("features", FeaturesSettings).mode,
        made_with=backbone.identity,
        backbone=lambda: backbone,
        files=lambda: pool.files([each.photo for each in photos]),
        limits=parameters.section("ingest", IngestSettings).limits,
    )
    views = [View(each.photo) for each in photos]
    embeddings = features.read(views, levels=False).embedding.numpy()
    one_kind = np.zeros(len(photos), np.int64)
    return [
        ReviewItem(
            photo=photos[each.row].photo,
            name=photos[each.row].name,
            path=pool.path(photos[each.row].photo),
            likely=(),
            abstained=False,
            uncertainty=each.uncertainty,
            typical=each.typical,
            alike=tuple(photos[row].photo for row in _alike(embeddings, one_kind, each.row)),
        )
        for each in rank(embeddings, None, None, top)
    ]


def give_word(workspace: Workspace, photos: Sequence[str], said: str) -> Word:
    """Record that photos are `none` of the classes, or `bad`; review does not show them again.

    Raises:
        UserInputError: the pool has not all of them, or it is no such word.
    """
    pool = Pool(workspace.pool)
    known = {each.photo for each in pool.photos()}
    if missing := [photo for photo in photos if photo not in known]:
        raise UserInputError("the pool has no such photo", on=missing[0], remedy="list them: shotline pool list")
    if said not in ("none", "bad"):
        raise UserInputError("no such word", on=said, remedy="say none or bad, or give a class")
    pool.say(photos, "none" if said == "none" else "bad")
    return Word(said, tuple(photos))


def label(
    live: LiveWorkspace, workspace: Workspace, photos: Sequence[str], name: str, *, force: bool = False
) -> tuple[Outcome, Word]:
    """Give photos of the pool a class. An added class learns at once; photos of a trained one wait; a new class is
    added if the gate agrees.

    Raises:
        UserInputError: the pool has not all of them, or the name cannot be.
        RefusedByGateError: it would do harm.
    """
    files = Pool(workspace.pool).files(photos)
    name = class_name(name, live.class_names())
    outcome = add(workspace, {name: list(files.values())}, force=force, live=live)
    change: Change = outcome.change
    return outcome, Word(name, tuple(photos), change.before.name, change.version.name)


def take_back(live: LiveWorkspace, workspace: Workspace, word: Word) -> None:
    """Undo a word; the answers are then the earlier ones, bit for bit.

    Raises:
        UserInputError: the classes were changed since, so that going back would undo that too.
    """
    if not word.before:
        Pool(workspace.pool).say(word.photos, "")
        return
    if live.versions.in_use().name != live.versions.find(word.after).name:
        raise UserInputError(
            "the classes were changed since, and going back would undo that too",
            on=word.said,
            remedy="take the class out (`shotline remove-class`), or go back by hand (`shotline rollback`)",
        )
    if word.before != word.after:
        live.changes.roll_back(live.stamp(), word.before)
        return
    waiting = states(live.ledger.entries(), frozenset(live.loaded()[0].class_names))[-1].waiting
    rest = [photo for photo in waiting.get(word.said, ()) if photo not in word.photos]
    live.changes.remove(word.said, live.stamp())
    if rest:
        live.changes.add({word.said: rest}, live.stamp())


def into_folders(items: Sequence[ReviewItem], folder: Path) -> list[Path]:
    """Copy photos into one folder per likely class, for a person to sort and move into the inbox.

    Raises:
        UserInputError: a file of that name with other content is there.
    """
    written = []
    for number, item in enumerate(items, 1):
        name = "unsorted" if not item.likely else "unknown" if item.abstained else item.likely[0][0]
        suffix = Path(item.name).suffix or ".jpg"
        target = folder / name.replace("/", "_") / f"{number:03d}-{item.photo[:12]}{suffix}"
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.read_bytes() != item.path.read_bytes():
            raise UserInputError("a file of that name is there", on=str(target), remedy="give another folder")
        shutil.copyfile(item.path, target)
        written.append(target)
    return written


def _without_word(live: LiveWorkspace, pool: Pool) -> list[PooledPhoto]:
    """Photos of the pool on which nobody has given a word."""
    bundle, bank = live.loaded()
    state = states(live.ledger.entries(), frozenset(bundle.class_names))[-1]
    labelled = {photo for each in state.classes.values() for photo in each.photos}
    labelled |= {photo for photos in state.waiting.values() for photo in photos}
    labelled |= {photo for photos in bundle.split.values() for photo in photos}
    labelled |= {photo for each in bank.classes for photo in each.photos}
    return [each for each in pool.photos() if not each.word and each.photo not in labelled]


def _likely(probabilities: NDArray[np.float32], names: Sequence[str]) -> tuple[tuple[str, float], ...]:
    best = np.argsort(-probabilities, kind="stable")[:_LIKELY]
    return tuple((names[each], float(probabilities[each])) for each in best)


def _alike(embeddings: NDArray[np.float32], taken_for: NDArray[np.int64], row: int) -> list[int]:
    centre = embeddings.mean(0)
    same = np.flatnonzero((taken_for == taken_for[row]) & (np.arange(len(taken_for)) != row))
    mine, others = embeddings[row] - centre, embeddings[same] - centre
    cosines = others @ mine / np.maximum(np.linalg.norm(others, axis=1) * np.linalg.norm(mine), 1e-9)
    order = np.argsort(-cosines, kind="stable")
    return [int(same[each]) for each in order[:_MOST_ALIKE] if cosines[each] >= _ALIKE]
