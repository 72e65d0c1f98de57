"""From named photos to their rows, a batch at a time; what has a row already is not asked about again."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING

from components.serving.table.named import NamedPhoto
from components.serving.table.rows import Row, row_of

if TYPE_CHECKING:
    from components.serving.answers import PhotoClassifier

__all__ = ["BATCH", "rows_of"]

BATCH = 32


def rows_of(
    photos: Sequence[NamedPhoto], classifier: PhotoClassifier, done: Container[str] = ()
) -> Iterator[list[tuple[NamedPhoto, Row]]]:
    """The rows of the photos that are not in `done`, in order, batch by batch; memory does not grow with the photos.

    A photo's answer differs in its last bits with the size of its batch. A run that was stopped therefore goes on with
    the batches that it would have made: it answers the whole batch in which it was stopped and gives what is missing.
    """
    there = [photo.name in done for photo in photos]
    start = there.index(False) if False in there else len(photos)
    if any(there[start:]):  # photos have come in between since
        batches = _batches([photo for photo, is_there in zip(photos, there, strict=True) if not is_there])
    else:
        batches = _batches(photos[start - start % BATCH :])
    answers = classifier.answer_batches([photo.load for photo in batch] for batch in batches)
    for batch, answered in zip(batches, answers, strict=True):
        yield [
            (photo, row_of(photo.name, answer))
            for photo, answer in zip(batch, answered, strict=True)
            if photo.name not in done
        ]


def _batches(photos: Sequence[NamedPhoto]) -> list[Sequence[NamedPhoto]]:
    return [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
