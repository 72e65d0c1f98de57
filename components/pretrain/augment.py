"""Random views of a batch of pictures, drawn on tensors: one resampling for crop, zoom, turn and flip together."""

import math
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from components.pretrain.architecture import MEAN, STD

__all__ = ["mix", "normalise", "random_views"]


class Uniform(Protocol):
    """Draws uniform numbers of a shape."""

    def __call__(self, low: float, high: float, *shape: int) -> Tensor: ...


def normalise(pixels: Tensor) -> Tensor:
    """Bytes `(n, height, width, 3)` as normalised float32 `(n, 3, height, width)`, channels last in memory."""
    values = pixels.permute(0, 3, 1, 2).float().div_(255)
    mean = torch.tensor(MEAN).view(1, 3, 1, 1)
    std = torch.tensor(STD).view(1, 3, 1, 1)
    return (values - mean) / std


def random_views(
    pixels: Tensor,
    side: int,
    *,
    zoom: tuple[float, float],
    colour: float,
    erasing: float,
    generator: torch.Generator,
) -> Tensor:
    """One random view of each picture.

    Args:
        pixels: bytes `(n, height, width, 3)`.
        side: side of the views, in pixels.
        zoom: smallest and largest side of the crop as a part of the picture's; above 1 the border is mirrored, which
            keeps the detail of a sharp photo that the small originals do not have when enlarged.
        colour: largest change of brightness, contrast and saturation.
        erasing: share of views with one grey rectangle.
        generator: source of every random number.

    Returns:
        Normalised float32 `(n, 3, side, side)`.
    """
    n = pixels.shape[0]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator) * (high - low) + low

    scale = torch.exp(uniform(math.log(zoom[0]), math.log(zoom[1]), n))
    stretch = torch.exp(uniform(-0.2, 0.2, n))
    turn = uniform(-0.15, 0.15, n)
    flip = torch.where(uniform(0, 1, n) < 0.5, -1.0, 1.0)
    width, height = (scale * stretch).clamp(max=zoom[1]), (scale / stretch).clamp(max=zoom[1])
    # The crop's centre stays where the crop fits inside; a crop larger than the picture may slide as far.
    shift_x = uniform(-1, 1, n) * (1 - width).abs()
    shift_y = uniform(-1, 1, n) * (1 - height).abs()
    cos, sin = torch.cos(turn), torch.sin(turn)
    affine = torch.stack(
        [
            torch.stack([flip * width * cos, -height * sin, shift_x], dim=1),
            torch.stack([flip * width * sin, height * cos, shift_y], dim=1),
        ],
        dim=1,
    )
    # Colours first: the originals are smaller than the views.
    values = _recolour(normalise(pixels).contiguous(), colour, uniform)
    grid = F.affine_grid(affine, [n, 3, side, side], align_corners=False)
    views = F.grid_sample(values, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    return _erase(views, erasing, uniform)


def _recolour(values: Tensor, most: float, uniform: Uniform) -> Tensor:
    """Brightness, contrast and saturation by up to `most` each; one picture in ten loses its colours."""
    if most == 0:
        return values
    n = values.shape[0]
    colour = uniform(1 - most, 1 + most, n, 1, 1, 1)
    colour = torch.where(uniform(0, 1, n, 1, 1, 1) < 0.1, torch.zeros(()), colour)
    contrast = uniform(1 - most, 1 + most, n, 1, 1, 1)
    grey = values.mean(dim=1, keepdim=True)
    middle = grey.mean(dim=(2, 3), keepdim=True)
    # middle + contrast * (grey + colour * (values - grey) - middle) + brightness, gathered by what it multiplies
    shared = grey * (contrast * (1 - colour)) + (middle * (1 - contrast) + uniform(-most, most, n, 1, 1, 1))
    return (values * (contrast * colour)).add_(shared)


def _erase(views: Tensor, share: float, uniform: Uniform) -> Tensor:
    n, _, _, side = views.shape
    centre = uniform(0, side, n, 2)
    half = uniform(0.1, 0.25, n, 2) * side * (uniform(0, 1, n, 1) < share)
    line = torch.arange(side).float()
    rows = (line - centre[:, :1]).abs() < half[:, :1]
    columns = (line - centre[:, 1:]).abs() < half[:, 1:]
    inside = (rows[:, :, None] & columns[:, None, :]).unsqueeze(1)
    return views.masked_fill(inside, 0.0)


def mix(views: Tensor, targets: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Blend each view with another of the batch (CutMix half of the time, mixup else), and their targets alike.

    Args:
        views: `(n, 3, side, side)`.
        targets: class probabilities `(n, classes)`.
        generator: source of every random number.
    """
    n, _, side, _ = views.shape
    other = torch.randperm(n, generator=generator)
    share = float(torch.rand((), generator=generator))
    if float(torch.rand((), generator=generator)) < 0.5:
        blended = torch.lerp(views[other], views, share)
    else:
        edge = round(side * (1 - share) ** 0.5)
        top, left = (int(torch.randint(0, side - edge + 1, (), generator=generator)) for _ in range(2))
        blended = views.clone()
        blended[:, :, top : top + edge, left : left + edge] = views[other][:, :, top : top + edge, left : left + edge]
        share = 1 - (edge / side) ** 2
    return blended, targets * share + targets[other] * (1 - share)
