"""Finds the photo sets in a folder: CoOp's eleven by their layouts, ImageNet's shifted variants, and others."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserInputError
from components.ingest import Entry, Listing
from components.leftovers import is_left_behind

__all__ = ["KNOWN", "SHIFTS", "FoundSet", "find_sets", "shifted"]

KNOWN = {
    "imagenet": "ImageNet",
    "caltech-101": "Caltech101",
    "oxford_pets": "OxfordPets",
    "stanford_cars": "StanfordCars",
    "oxford_flowers": "Flowers102",
    "food-101": "Food101",
    "fgvc_aircraft": "FGVCAircraft",
    "sun397": "SUN397",
    "dtd": "DTD",
    "eurosat": "EuroSAT",
    "ucf101": "UCF101",
}
"""Folder to name of the eleven sets, as CoOp's DATASETS.md lays them out."""

SHIFTS = {
    "imagenetv2": ("ImageNetV2", "imagenetv2-matched-frequency-format-val"),
    "imagenet-sketch": ("ImageNet-Sketch", "images"),
    "imagenet-adversarial": ("ImageNet-A", "imagenet-a"),
    "imagenet-rendition": ("ImageNet-R", "imagenet-r"),
}
"""Folder to name and place of the class folders, of the sets on which heads of ImageNet are only measured."""

_PHOTOS = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_IMAGENET_POOL = 64  # shots are drawn from so many of ImageNet's 1,300 photos per class; others are not opened


@dataclass(frozen=True)
class FoundSet:
    """A set of labelled photos.

    Attributes:
        name: as papers call it, or the folder's name.
        root: its folder.
        listing: reads its photos if it has a layout of its own; None: `components.ingest` reads the folder.
    """

    name: str
    root: Path
    listing: Callable[[Path], Listing] | None = None


def find_sets(folder: Path) -> tuple[list[FoundSet], list[str]]:
    """The sets in `folder`, known ones first, and the names of known ones that are not there.

    Raises:
        UserInputError: there is no such folder, or no set in it.
    """
    if not folder.is_dir():
        raise UserInputError("there is no such folder", on=str(folder), remedy="give the folder that holds the sets")
    inside = {path.name: path for path in sorted(folder.iterdir()) if path.is_dir() and not _passed_over(path.name)}
    known = [FoundSet(name, inside[where], _LISTINGS.get(where)) for where, name in KNOWN.items() if where in inside]
    others = [FoundSet(name, path) for name, path in inside.items() if name not in KNOWN and name not in SHIFTS]
    if not known and not others:
        raise UserInputError(
            "there is no set in this folder",
            on=str(folder),
            remedy="put a folder for each set into it, such as caltech-101, or one with a folder per class",
        )
    return known + others, [name for where, name in KNOWN.items() if where not in inside]


def shifted(folder: Path) -> Iterator[tuple[str, Path, bool]]:
    """Name and class folders of each shifted ImageNet set here; True if folders are numbers, not WordNet ids."""
    for where, (name, below) in SHIFTS.items():
        if (folder / where / below).is_dir():
            yield name, folder / where / below, where == "imagenetv2"


def _passed_over(name: str) -> bool:
    return name.startswith(".") or is_left_behind(name)


def _aircraft(root: Path) -> Listing:
    """FGVC's own lists: `images_variant_train.txt` with a line `number variant` a photo."""
    listing = Listing("fgvc")
    for split in ("train", "val", "test"):
        for line in _lines(root / f"images_variant_{split}.txt"):
            number, _, variant = line.partition(" ")
            listing.entries.append(Entry(f"images/{number}.jpg", variant.replace("/", "-"), split))
    listing.names = {entry.label: entry.label for entry in listing.entries}
    return listing


def _imagenet(root: Path) -> Listing:
    """ImageNet as CoOp lays it out: `images/train`, `images/val` to measure on, names in `classnames.txt`."""
    listing = Listing("imagenet")
    names = dict(line.split(" ", 1) for line in _lines(root / "classnames.txt"))
    for part, split in (("train", "train"), ("val", "test")):
        of_class: dict[str, list[str]] = defaultdict(list)
        for folder in sorted((root / "images" / part).glob("*")):
            if folder.name in names:
                of_class[folder.name] = [path.name for path in folder.iterdir() if path.suffix.lower() in _PHOTOS]
        for label, found in of_class.items():
            drawn = sorted(found, key=lambda name: hashlib.sha256(name.encode()).digest())
            kept = drawn[:_IMAGENET_POOL] if split == "train" else drawn
            listing.entries += [Entry(f"images/{part}/{label}/{name}", label, split) for name in kept]
    listing.names = {label: names[label] for label in {entry.label for entry in listing.entries}}
    return listing


def _lines(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserInputError(
            f"a list of the set cannot be read ({error})",
            on=str(path),
            remedy="lay the set out as CoOp's DATASETS.md says",
        ) from error


_LISTINGS: dict[str, Callable[[Path], Listing]] = {"fgvc_aircraft": _aircraft, "imagenet": _imagenet}
