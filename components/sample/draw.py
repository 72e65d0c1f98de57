"""From a class, a seed and a number to a photo; from a list of classes to a folder of them."""

import contextlib
import hashlib
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from components.errors import UserInputError
from components.files import write_bytes
from components.sample.camera import draw_camera, take_photo
from components.sample.light import draw_light, shade
from components.sample.sample_classes import CLASSES, SampleClass
from components.sample.wear import used

__all__ = ["PHOTOS_PER_CLASS", "draw_photo", "draw_sample"]

PHOTOS_PER_CLASS: Mapping[str, int] = MappingProxyType({"train": 20, "test": 12})

Progress = Callable[[int, int], None]
"""Called after each photo with how many are done and how many there are."""


@dataclass(frozen=True)
class _Order:
    """One photo to draw: its class, its random source, and its path inside the folder."""

    kind: SampleClass
    seed: int
    split: str
    number: int

    @property
    def path(self) -> Path:
        return Path(self.split, self.kind.name, f"{self.number:04d}.jpg")

    def draw(self) -> bytes:
        return draw_photo(self.kind, seed=self.seed, split=self.split, number=self.number)


def draw_photo(kind: SampleClass, *, seed: int, split: str, number: int) -> bytes:
    """One photo of a class as the bytes of a square JPEG.

    The same arguments give the same bytes with the same versions of numpy, scipy and pillow. They do not depend on the
    other photos or classes.
    """
    key = hashlib.sha256(f"{seed}/{split}/{kind.name}/{number}".encode()).digest()
    streams = np.random.SeedSequence(int.from_bytes(key, "big")).spawn(6)
    surface, wear, defect, light, camera, sensor = (np.random.default_rng(stream) for stream in streams)
    patch = used(kind.surface(surface), wear)
    for damage in kind.defects:
        patch = damage(patch, defect)
    return take_photo(shade(patch, draw_light(light)), draw_camera(camera), sensor)


def draw_sample(
    folder: Path,
    *,
    classes: Sequence[SampleClass] = CLASSES,
    photos_per_class: Mapping[str, int] = PHOTOS_PER_CLASS,
    seed: int = 0,
    progress: Progress | None = None,
) -> int:
    """Draw an inspection set into `folder`, as `SPLIT/CLASS/NUMBER.jpg`.

    Photos of the very same set that are there already stay as they are, so an interrupted call can be repeated.

    Args:
        folder: made if it is missing; must hold nothing but photos of this very set (hidden files don't count).
        classes: what to draw.
        photos_per_class: how many photos of each class go into each split.
        seed: another seed is another set.
        progress: told after each photo.

    Returns:
        How many photos the set has.

    Raises:
        UserInputError: the folder holds something else, or nothing is asked for.
    """
    orders = _orders(classes, photos_per_class, seed)
    present = _photos_in(folder, {order.path for order in orders})
    # existing photos first: if one of them is not of this set, nothing has been written yet
    orders.sort(key=lambda order: order.path not in present)
    with contextlib.closing(_drawn(orders)) as drawn:
        for done, (order, photo) in enumerate(drawn, start=1):
            if order.path not in present:
                write_bytes(folder / order.path, photo)
            elif (folder / order.path).read_bytes() != photo:
                raise _occupied(folder, order.path)
            if progress:
                progress(done, len(orders))
    return len(orders)


def _orders(classes: Sequence[SampleClass], photos_per_class: Mapping[str, int], seed: int) -> list[_Order]:
    orders = [
        _Order(kind, seed, split, number)
        for split, count in photos_per_class.items()
        for kind in classes
        for number in range(1, count + 1)
    ]
    if not orders:
        raise UserInputError(
            f"the sample set would be empty: {len(classes)} classes, photos per class {dict(photos_per_class)}",
            on="photos_per_class",
            remedy="ask for at least one class and one photo",
        )
    return orders


def _photos_in(folder: Path, expected: set[Path]) -> set[Path]:
    if folder.exists() and not folder.is_dir():
        raise UserInputError("a file is where the sample set's folder should be", on=str(folder), remedy=_ELSEWHERE)
    present = {path.relative_to(folder) for path in sorted(folder.rglob("*")) if not path.is_dir()}
    visible = {path for path in present if not any(part.startswith(".") for part in path.parts)}
    foreign = sorted(visible - expected)
    if foreign:
        raise _occupied(folder, foreign[0])
    return visible


def _occupied(folder: Path, path: Path) -> UserInputError:
    return UserInputError(
        f"the folder is not empty, and {path} is not of this sample set", on=str(folder), remedy=_ELSEWHERE
    )


def _drawn(orders: Sequence[_Order]) -> Generator[tuple[_Order, bytes], None, None]:
    # threads suffice: numpy, scipy and pillow let go of the interpreter while they work
    pool = ThreadPoolExecutor(max_workers=os.cpu_count())
    try:
        yield from zip(orders, pool.map(_Order.draw, orders), strict=True)
    finally:
        pool.shutdown(cancel_futures=True)


_ELSEWHERE = "name a new or an empty folder"
