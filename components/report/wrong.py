"""Wrongly answered photos with the training photos that they resemble, and photos whose label looks wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from components.artefacts import AnsweredPhoto
from components.report.sources import Embedded, Sources

__all__ = ["SimilarPhoto", "Suspect", "WrongPhoto", "label_suspects", "wrong_photos"]

_NEAREST = 3
_AGREEING = 5  # neighbours by which a label is judged
_CHUNK = 2048


@dataclass(frozen=True)
class SimilarPhoto:
    """A training photo, its class in words, and how alike it is (cosine, -1 to 1)."""

    path: str
    words: str
    similarity: float


@dataclass(frozen=True)
class WrongPhoto:
    """A photo that is answered wrongly, and the training photos nearest to it."""

    photo: AnsweredPhoto
    actual: str
    answer: str
    nearest: list[SimilarPhoto]


@dataclass(frozen=True)
class Suspect:
    """A photo whose label looks wrong.

    Attributes:
        path: of the photo.
        given: its class, in words.
        looks_like: the class that its neighbours have, in words.
        why: the evidence, as a sentence.
        nearest: the training photos that it resembles.
    """

    path: str
    given: str
    looks_like: str
    why: str
    nearest: list[SimilarPhoto]


def wrong_photos(sources: Sources, most: int = 200) -> tuple[list[WrongPhoto], int]:
    """The most confident wrong answers, limited in number; and how many wrong answers there are in all."""
    wrong = sorted((photo for photo in sources.answers if not photo.right), key=lambda photo: -photo.probability)
    nearest = _nearest(sources, [photo.path for photo in wrong[:most]])
    return [
        WrongPhoto(photo, sources.words[photo.actual], sources.words[photo.answer], nearest.get(photo.path, []))
        for photo in wrong[:most]
    ], len(wrong)


def label_suspects(sources: Sources, most: int = 24) -> list[Suspect]:
    """Photos that look like another class than their own.

    A measured photo is one where the answer is surer than the threshold, is not its class, and four of its five nearest
    training photos are of the answered class. A training photo is one where four of its five nearest other training photos
    are of one other class and none is of its own.
    """
    surest = {photo.path: photo for photo in sources.answers if not photo.right and not photo.abstained}
    found: list[tuple[float, Suspect]] = []
    measured = sources.measured
    for path, (label, agreeing, nearest) in _looks_like(sources, measured, own=False).items():
        photo = surest.get(path)
        if photo is not None and photo.answer == label:
            why = (
                f"answered so with {100 * photo.probability:.0f} %, and {agreeing} of the {_AGREEING} nearest are of it"
            )
            words = sources.words
            found.append((photo.probability, Suspect(path, words[photo.actual], words[label], why, nearest[:_NEAREST])))
    training = sources.training
    class_of = dict(zip(training.paths, training.classes, strict=True))
    for path, (label, agreeing, nearest) in _looks_like(sources, training, own=True).items():
        given = class_of[path]
        if label != given and sources.words[given] not in [each.words for each in nearest]:
            why = f"learnt from; {agreeing} of the {_AGREEING} nearest are of the other class, none is of its own"
            suspect = Suspect(path, sources.words[given], sources.words[label], why, nearest[:_NEAREST])
            found.append((agreeing / _AGREEING, suspect))
    return [suspect for _, suspect in sorted(found, key=lambda each: (-each[0], each[1].path))[:most]]


def _looks_like(sources: Sources, photos: Embedded, *, own: bool) -> dict[str, tuple[str, int, list[SimilarPhoto]]]:
    """For each photo whose five nearest training photos have at least four of one class: class, count, neighbours."""
    if len(sources.training.paths) <= _AGREEING:
        return {}
    found = {}
    order, similarity = _top(photos.embeddings, sources.training.embeddings, _AGREEING, skip_itself=own)
    for row, path in enumerate(photos.paths):
        neighbours = [sources.training.classes[place] for place in order[row]]
        label, agreeing = Counter(neighbours).most_common(1)[0]
        if agreeing >= _AGREEING - 1 and label != photos.classes[row]:
            found[path] = label, agreeing, _told(sources, order[row], similarity[row])
    return found


def _nearest(sources: Sources, paths: list[str]) -> dict[str, list[SimilarPhoto]]:
    """The training photos nearest to each of the photos, without the photo itself."""
    place = {path: row for row, path in enumerate(sources.measured.paths)}
    own = not sources.on_query
    photos = sources.training if own else sources.measured
    if own:
        place = {path: row for row, path in enumerate(photos.paths)}
    rows = np.array([place[path] for path in paths if path in place], dtype=np.int64)
    if not len(rows) or len(sources.training.paths) <= _NEAREST:
        return {}
    chosen = photos.rows(rows)
    order, similarity = _top(chosen.embeddings, sources.training.embeddings, _NEAREST, itself=rows if own else None)
    return {path: _told(sources, order[row], similarity[row]) for row, path in enumerate(chosen.paths)}


def _told(sources: Sources, places: NDArray[np.int64], similarity: NDArray[np.float32]) -> list[SimilarPhoto]:
    training = sources.training
    return [
        SimilarPhoto(training.paths[place], sources.words[training.classes[place]], float(value))
        for place, value in zip(places.tolist(), similarity.tolist(), strict=True)
    ]


def _top(
    photos: NDArray[np.float32],
    others: NDArray[np.float32],
    n: int,
    *,
    skip_itself: bool = False,
    itself: NDArray[np.int64] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Row numbers (m, n) and cosines (m, n) of the nearest `others`, nearest first; computed in chunks.

    Args:
        photos: (m, d).
        others: (k, d), k > n.
        n: number of neighbours.
        skip_itself: photo i is row i of the others, and is left out.
        itself: (m,), the row of the others that is the photo itself, and is left out.
    """
    places = np.empty((len(photos), n), np.int64)
    values = np.empty((len(photos), n), np.float32)
    for start in range(0, len(photos), _CHUNK):
        similarity = photos[start : start + _CHUNK] @ others.T
        rows = np.arange(len(similarity))
        if skip_itself:
            similarity[rows, start + rows] = -2.0
        if itself is not None:
            similarity[rows, itself[start : start + _CHUNK]] = -2.0
        best = np.argpartition(-similarity, n, axis=1)[:, :n]
        order = np.argsort(-np.take_along_axis(similarity, best, 1), axis=1, kind="stable")
        places[start : start + _CHUNK] = best = np.take_along_axis(best, order, 1)
        values[start : start + _CHUNK] = np.take_along_axis(similarity, best, 1)
    return places, values
