"""How blurred a photo is, without a reference photo."""

import numpy as np
from PIL import Image
from scipy import ndimage

__all__ = ["MEASURED_SIZE_PX", "blur_of"]

MEASURED_SIZE_PX = 256  # shorter side at which photos of all sizes are compared; about a backbone's input size
_FILTER_PX = 9


def blur_of(grey: Image.Image) -> float:
    """Blur from 0 (crisp) to 1 (no detail at all); lower is better.

    It is the share of the differences between neighbouring pixels that survive another blurring: a crisp photo loses
    most of them, a blurred one has few to lose. The worse of the two directions counts, so motion blur shows. Crete and
    others, "The blur effect: perception and estimation with a new no-reference perceptual blur metric", Human Vision
    and Electronic Imaging (2007).

    Args:
        grey: mode `L`; its shorter side is brought down to `MEASURED_SIZE_PX` first, never up.
    """
    shorter = min(grey.size)
    if shorter > MEASURED_SIZE_PX:
        scale = MEASURED_SIZE_PX / shorter
        grey = grey.resize((round(grey.width * scale), round(grey.height * scale)), Image.Resampling.BOX)
    pixels = np.asarray(grey, dtype=np.float32)
    return round(max(_along(pixels, axis) for axis in (0, 1)), 4)


def _along(pixels: np.ndarray, axis: int) -> float:
    blurred = ndimage.uniform_filter1d(pixels, _FILTER_PX, axis=axis)
    sharp_steps = np.abs(np.diff(pixels, axis=axis)).astype(np.float64)
    blurred_steps = np.abs(np.diff(blurred, axis=axis))
    total = float(sharp_steps.sum())
    if total == 0.0:
        return 1.0
    lost = float(np.maximum(sharp_steps - blurred_steps, 0.0).sum())
    return 1.0 - lost / total
