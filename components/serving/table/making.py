"""Answers named photos in batches; photos that have an answer already are skipped."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING

from components.serving.table.named import NamedPhoto

if TYPE_CHECKING:
    from components.ingest import PhotoError
    from components.serving.answers import Answer, PhotoClassifier

__all__ = ["BATCH", "answers_to"]

BATCH = 32


def answers_to(
    photos: Sequence[NamedPhoto], classifier: PhotoClassifier, done: Container[str] = ()
) -> Iterator[list[tuple[NamedPhoto, Answer | PhotoError]]]:
    """Photos that are not in `done` with their answers, in order, batch by batch; memory does not grow with their
    number.

    A photo's answer differs in its last bits with the size of its batch. So a stopped run continues with the same
    batches: it answers the whole batch in which it was stopped and gives the missing part.
    """
    there = [photo.name in done for photo in photos]
    start = there.index(False) if False in there else len(photos)
    if any(there[start:]):  # photos have been added in between since
        batches = _batches([photo for photo, is_there in zip(photos, there, strict=True) if not is_there])
    else:
        batches = _batches(photos[start - start % BATCH :]) if start < len(photos) else []
    answers = classifier.answer_batches([photo.load for photo in batch] for batch in batches)
    for batch, answered in zip(batches, answers, strict=True):
        yield [pair for pair in zip(batch, answered, strict=True) if pair[0].name not in done]


def _batches(photos: Sequence[NamedPhoto]) -> list[Sequence[NamedPhoto]]:
    return [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
