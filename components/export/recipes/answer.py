"""Answers to photos from an exported classifier. Needs numpy, Pillow and onnxruntime; nothing of Shotline.

    python answer.py model.onnx photo.jpg another.png

`prepared` is the recipe by which a photo becomes the graph's input, the same in every language: upright, RGB on white,
the shorter side resized to the graph's size by Pillow's antialiased filter, the middle cut out. The rest (scale, mean,
deviation, backbone, head, calibration) is in the graph. The facts are one JSON text in the model's metadata `shotline`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image, ImageOps

__all__ = ["Classifier", "prepared", "upright_rgb"]

_AT_ONCE = 16


def upright_rgb(image: Image.Image) -> Image.Image:
    """The photo the right way up, 8-bit RGB, transparent parts on white."""
    image = ImageOps.exif_transpose(image)
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer)
    return image.convert("RGB")


def prepared(image: Image.Image, preprocessing: dict[str, Any]) -> NDArray[np.uint8]:
    """An upright RGB photo as the graph's (height, width, 3) pixels."""
    size = preprocessing["size"]
    height, width = (size, size) if isinstance(size, int) else size
    sampling = Image.Resampling[preprocessing["interpolation"].upper()]
    if preprocessing["resize_mode"] == "squash":
        return np.asarray(image.resize((width, height), sampling))
    short, long = sorted(image.size)
    longer = int(height * long / short)
    across, down = (height, longer) if image.width <= image.height else (longer, height)
    if (across, down) != image.size:
        image = image.resize((across, down), sampling)
    left, top = round((across - width) / 2), round((down - height) / 2)
    return np.asarray(image.crop((left, top, left + width, top + height)))


class Classifier:
    """An exported classifier.

    Attributes:
        facts: its classes, threshold, preprocessing, and what it was made from.
    """

    def __init__(self, path: str) -> None:
        self._session = onnxruntime.InferenceSession(path)
        self.facts: dict[str, Any] = json.loads(self._session.get_modelmeta().custom_metadata_map["shotline"])

    def answer(self, photos: Sequence[Image.Image]) -> list[dict[str, Any]]:
        """For each photo `class`, `probability` and `unknown`."""
        answers = []
        for start in range(0, len(photos), _AT_ONCE):
            batch = [
                prepared(upright_rgb(photo), self.facts["preprocessing"]) for photo in photos[start : start + _AT_ONCE]
            ]
            (probabilities,) = self._session.run(["probabilities"], {"photos": np.stack(batch)})
            answers += [self._said(row) for row in probabilities]
        return answers

    def _said(self, probabilities: NDArray[np.float32]) -> dict[str, Any]:
        best = int(probabilities.argmax())
        probability = float(probabilities[best])
        threshold = self.facts["threshold"]
        return {
            "class": self.facts["classes"][best]["name"],
            "probability": probability,
            "unknown": threshold is not None and probability < threshold,
        }


if __name__ == "__main__":
    model, *paths = sys.argv[1:]
    classifier = Classifier(model)
    for path in paths:
        [said] = classifier.answer([Image.open(path)])
        sys.stdout.write(json.dumps({"path": path, **said}, ensure_ascii=False) + "\n")
