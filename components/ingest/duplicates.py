"""Photos that are there twice, byte for byte: which copy is kept, and why the others are quarantined."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol, TypeVar

from components.ingest.sources import Rejected

__all__ = ["without_duplicates"]

# A copy in a held-out split is kept, so that a photo that is measured on is not also learnt from.
_STAYS_FIRST = {"test": 0, "val": 1, "train": 2, None: 3}


class Copy(Protocol):
    """A photo with an identity and a place in the data."""

    @property
    def id(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def split(self) -> str | None: ...


AnyCopy = TypeVar("AnyCopy", bound=Copy)


def without_duplicates(photos: Sequence[AnyCopy]) -> tuple[list[AnyCopy], list[Rejected]]:
    """Keep one copy of each photo.

    - In one class and one split: the first by path stays.
    - In one class, in several splits: test before validation before train, so that no photo is both measured on and
      learnt from.
    - In several classes: it is unknown which label is right, so no copy is kept.

    Args:
        photos: the decoded photos, in any order.

    Returns:
        the photos that stay, and the others with the reason.
    """
    copies: dict[str, list[AnyCopy]] = defaultdict(list)
    for photo in photos:
        copies[photo.id].append(photo)
    kept, rejected = [], []
    for same in copies.values():
        same.sort(key=lambda photo: (_STAYS_FIRST[photo.split], photo.path))
        labels = sorted({photo.label for photo in same})
        if len(labels) > 1:
            rejected += [_conflict(photo, same, labels) for photo in same]
            continue
        kept.append(same[0])
        rejected += [_copy(photo, same[0]) for photo in same[1:]]
    return kept, rejected


def _conflict(photo: Copy, same: Sequence[Copy], labels: list[str]) -> Rejected:
    others = sorted({other.path for other in same} - {photo.path}) or [photo.path]
    detail = f"the same photo is labelled {' and '.join(labels)} ({', '.join(others)}); keep the copy that is right"
    return Rejected(photo.path, photo.label, photo.split, "duplicate_across_classes", detail)


def _copy(photo: Copy, kept: Copy) -> Rejected:
    if photo.split == kept.split:
        detail = "it is listed twice" if photo.path == kept.path else f"it is the same photo as {kept.path}"
        return Rejected(photo.path, photo.label, photo.split, "duplicate", detail)
    detail = f"it is the same photo as {kept.path}, which stays in {kept.split}: nothing measured may be learnt from"
    return Rejected(photo.path, photo.label, photo.split, "duplicate_across_splits", detail)
