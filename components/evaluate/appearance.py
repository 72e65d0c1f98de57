"""What a photo looks like apart from what is on it: light, contrast, colour, sharpness, size."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from PIL import Image
from torch import Tensor, tensor

from components.evaluate.shift import further_off
from components.ingest import blur_of

__all__ = ["Appearance", "Change", "appearance_of", "changes"]

_SIDE = 256  # what is measured of larger photos
_CLEARLY = 0.75  # the chance from which on a change is one that a person sees
_LEVEL = 0.01
_WORDS = {
    "light": ("darker", "brighter"),
    "contrast": ("flatter", "harder in contrast"),
    "colour": ("greyer", "more colourful"),
    "blur": ("sharper", "more blurred"),
    "size": ("smaller", "larger"),
}


@dataclass(frozen=True)
class Appearance:
    """Figures of one photo.

    Attributes:
        light: mean grey level, 0 black to 1 white.
        contrast: standard deviation of the grey levels, 0 to 0.5.
        colour: mean saturation, 0 grey to 1.
        blur: 0 crisp to 1 without detail, see `components.ingest.blur_of`.
        size: shorter side in pixels.
    """

    light: float
    contrast: float
    colour: float
    blur: float
    size: float


@dataclass(frozen=True)
class Change:
    """A figure that is another one in new photos.

    Attributes:
        figure: `light`, `contrast`, `colour`, `blur` or `size`.
        told: in words: `darker`, `more blurred`, ...
        home: its median in learnt photos.
        new: its median in the new ones.
        higher: the chance that a new photo's is higher than a learnt one's, 0 to 1.
        p: of the two-sided rank-sum test, times the number of figures.
    """

    figure: str
    told: str
    home: float
    new: float
    higher: float
    p: float


def appearance_of(image: Image.Image) -> Appearance:
    """Of an RGB image."""
    size = min(image.size)
    small = image.copy()
    small.thumbnail((_SIDE, _SIDE))
    grey = small.convert("L")
    levels = np.asarray(grey, np.float32) / 255
    saturation = np.asarray(small.convert("HSV"), np.float32)[..., 1] / 255
    return Appearance(float(levels.mean()), float(levels.std()), float(saturation.mean()), blur_of(grey), float(size))


def changes(home: list[Appearance], new: list[Appearance]) -> list[Change]:
    """What has clearly changed, the clearest first; empty where the photos look as they did."""
    names = [each.name for each in fields(Appearance)]
    if not home or not new:
        return []
    before, after = (tensor([astuple(each) for each in photos]) for photos in (home, new))
    found = []
    for place, name in enumerate(names):
        higher, p = further_off(before[:, place], after[:, place])
        p = min(1.0, p * len(names))
        if p < _LEVEL and max(higher, 1 - higher) >= _CLEARLY:
            medians = _median(before[:, place]), _median(after[:, place])
            found.append(Change(name, _WORDS[name][higher > 0.5], *medians, higher, p))
    return sorted(found, key=lambda change: -abs(change.higher - 0.5))


def _median(values: Tensor) -> float:
    return float(values.median())
