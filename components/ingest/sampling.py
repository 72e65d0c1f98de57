"""Draws the shots by seed and class, independently of the other data."""

import hashlib
from collections import defaultdict

import pyarrow as pa

from components.ingest.tables import SAMPLE

__all__ = ["draw_order", "draw_sample"]


def draw_order(seed: int, label: str, image_id: str) -> str:
    """The sort key by which photos of a class are drawn.

    It depends only on the seed, the class's name and the photo's own bytes: adding a class, or a photo of this class,
    does not change the order of the others.
    """
    return hashlib.sha256(f"{seed}\0{label}\0{image_id}".encode()).hexdigest()


def draw_sample(manifest: pa.Table, *, shots: int, seed: int, validation_shots: int) -> pa.Table:
    """The support, validation and query photos.

    Support comes from `train`, validation from `val`, query is all of `test`; without splits every photo may become
    support, and there is neither validation nor query. The shots are nested: the 4-shot support set is part of the
    16-shot set of the same seed.

    Args:
        manifest: with the columns id, class and split, in any order.
        shots: support photos per class; 0 takes all.
        seed: another seed draws other photos.
        validation_shots: validation photos per class; 0 takes all.

    Returns:
        `tables.SAMPLE`, sorted by role, class and shot.
    """
    photos: dict[tuple[str, str], list[str]] = defaultdict(list)
    for image_id, label, split in zip(*(manifest[name].to_pylist() for name in ("id", "class", "split")), strict=True):
        photos[_ROLE[split], label].append(image_id)
    at_most = {"support": shots, "validation": validation_shots, "query": 0}
    rows = []
    for (role, label), ids in sorted(photos.items()):
        drawn = sorted(ids, key=lambda image_id: draw_order(seed, label, image_id))
        rows += [
            {"id": image_id, "class": label, "role": role, "shot": shot}
            for shot, image_id in enumerate(drawn[: at_most[role] or None])
        ]
    return pa.Table.from_pylist(rows, schema=SAMPLE)


_ROLE = {None: "support", "train": "support", "val": "validation", "test": "query"}
