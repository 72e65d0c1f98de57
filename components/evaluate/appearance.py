"""What a photo looks like apart from what is on it: light, contrast, colour, sharpness, traces of compression, size.

A well trained encoder answers alike in the dark, in grey and after JPEG, so its embeddings hardly show such changes
(`components.evaluate.shift`). These figures show them, in a test of their own. The usual value of a photo's class is
subtracted first: a folder of white things is not a folder of bright photos. Photos in one folder resemble each other,
which a test of independent photos does not know. So a change must also be so large that a person sees it, however sure
the test is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields

import numpy as np
from PIL import Image
from torch import Tensor, bincount, float64, isin, tensor, zeros

from components.evaluate.shift import LEVEL, further_off
from components.ingest import blur_of

__all__ = ["Appearance", "AppearanceChange", "appearance_of", "changes"]

_SIDE = 256  # larger photos are reduced to this
_CLEARLY = 0.75  # from this chance on a person sees the change
_SHRINK = 1  # the mean of all classes counts like so many of a class's own photos
_LEAST = 16  # new photos whose classes are known; with fewer, all are compared
_BLOCK = 8  # JPEG's, in pixels
_BLOCKS_SIDE = 512  # measured in the middle of a photo, in its own pixels: only these show its compression
_WORDS = {
    "light": ("darker", "brighter"),
    "contrast": ("flatter", "harder in contrast"),
    "colour": ("greyer", "more colourful"),
    "blur": ("sharper", "more blurred"),
    "blocks": ("less compressed", "more compressed"),
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
        blocks: steps between neighbouring pixels at the edges of JPEG's blocks, as multiples of those inside; 1 means
            no blocks.
        size: shorter side in pixels.
    """

    light: float
    contrast: float
    colour: float
    blur: float
    blocks: float
    size: float


@dataclass(frozen=True)
class AppearanceChange:
    """A figure that differs in new photos.

    Attributes:
        figure: `light`, `contrast`, `colour`, `blur`, `blocks` or `size`.
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
    colour, contrast = float(saturation.mean()), float(levels.std())
    return Appearance(float(levels.mean()), contrast, colour, blur_of(grey), _blocks_of(image), float(size))


def changes(
    home: Sequence[Appearance],
    new: Sequence[Appearance],
    classes: tuple[Sequence[int], Sequence[int]] | None = None,
) -> list[AppearanceChange]:
    """What has clearly changed, the clearest first; empty if the photos look as they did. A change is an alarm.

    Args:
        home: of learnt photos.
        new: of the new ones.
        classes: of the learnt photos, and for each new photo the class that it resembles most; None: all are of one
            class.
    """
    names = [each.name for each in fields(Appearance)]
    if not home or not new:
        return []
    before, after = (tensor([astuple(each) for each in photos], dtype=float64) for photos in (home, new))
    ours, theirs = (tensor(list(each)) for each in classes or ([0] * len(home), [0] * len(new)))
    comparable = isin(theirs, ours)  # of the other classes nobody knows what is usual
    if int(comparable.sum()) >= min(_LEAST, len(theirs)):
        after, theirs = after[comparable], theirs[comparable]
    found = []
    for place, name in enumerate(names):
        usual = _usual(before[:, place], ours, 1 + int(max(ours.max(), theirs.max())))
        higher, p = further_off(before[:, place] - usual[ours], after[:, place] - usual[theirs])
        p = min(1.0, p * len(names))
        if p < LEVEL and max(higher, 1 - higher) >= _CLEARLY:
            medians = _median(before[:, place]), _median(after[:, place])
            found.append(AppearanceChange(name, _WORDS[name][higher > 0.5], *medians, higher, p))
    return sorted(found, key=lambda change: -abs(change.higher - 0.5))


def _usual(values: Tensor, classes: Tensor, n_classes: int) -> Tensor:
    """(C,) float64: each class's mean, shrunk to the mean of all if it has few photos."""
    count = bincount(classes, minlength=n_classes).double()
    total = zeros(n_classes, dtype=float64).index_add_(0, classes, values)
    mean: Tensor = (total + _SHRINK * values.mean()) / (count + _SHRINK)
    return mean


def _blocks_of(image: Image.Image) -> float:
    width, height = image.size
    left, top = max(0, (width - _BLOCKS_SIDE) // 2), max(0, (height - _BLOCKS_SIDE) // 2)
    middle = image.crop((left, top, min(width, left + _BLOCKS_SIDE), min(height, top + _BLOCKS_SIDE))).convert("L")
    levels = np.asarray(middle, np.float32)
    ratios = []
    for steps in (np.abs(np.diff(levels, axis=1)).mean(0), np.abs(np.diff(levels, axis=0)).mean(1)):
        whole = len(steps) // _BLOCK * _BLOCK
        if whole:
            # a cropped photo's blocks begin anywhere
            by_place = np.sort(steps[:whole].reshape(-1, _BLOCK).mean(0))
            ratios.append((by_place[-1] + 0.1) / (by_place[:-1].mean() + 0.1))  # a tenth of a grey level: flat pictures
    return float(np.mean(ratios)) if ratios else 1.0


def _median(values: Tensor) -> float:
    return float(values.median())
