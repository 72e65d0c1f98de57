"""Augmented views: LDC's training crops, each a pure function of the image's id and the view's number."""

from __future__ import annotations

import hashlib
import math

import numpy as np
from PIL import Image, ImageOps

from components.features.keys import View

__all__ = ["augment"]

_AREA = (0.8, 1.0)  # of LDC's random resized crop
_ASPECT = (3 / 4, 4 / 3)


def augment(image: Image.Image, view: View) -> Image.Image:
    """A random crop of 0.8 to 1 of the area, mirrored half of the time; view 0 is the image itself.

    The crop keeps the photo's own pixels: the backbone's preprocessing resizes them, once.
    """
    if view.number == 0:
        return image
    seed = hashlib.sha256(f"{view.image_id}/{view.number}".encode()).digest()
    random = np.random.default_rng(int.from_bytes(seed[:8], "big"))
    area = image.width * image.height * random.uniform(*_AREA)
    aspect = math.exp(random.uniform(math.log(_ASPECT[0]), math.log(_ASPECT[1]))) * image.width / image.height
    width = min(image.width, max(1, round(math.sqrt(area * aspect))))
    height = min(image.height, max(1, round(math.sqrt(area / aspect))))
    left = int(random.integers(0, image.width - width + 1))
    top = int(random.integers(0, image.height - height + 1))
    crop = image.crop((left, top, left + width, top + height))
    return ImageOps.mirror(crop) if random.random() < 0.5 else crop
