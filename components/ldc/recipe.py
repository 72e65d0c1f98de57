"""The recipe by which an LDC is trained: the published one and ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from components.features.keys import LevelMode
from components.ldc.shape import Form

__all__ = ["OURS", "PUBLISHED", "PUBLISHED_WEIGHTS", "STARTS", "Recipe", "Start"]

PUBLISHED_WEIGHTS = (1.0, 1.0, 1.0, 1.0, 1.0)
"""Of the loss's terms; see `components.ldc.loss.TERMS`."""

Start = Literal["zero_shot", "map_lr"]
STARTS: tuple[Start, ...] = get_args(Start)


@dataclass(frozen=True)
class Recipe:
    """Everything besides the seed that decides what is learnt from given features.

    Attributes:
        start: the logits `z` that ICD deconfuses: zero-shot's, as published, or MAP-LR's.
        fusion: 1, 2 or 3 of MAF.
        level_mode: the form in which levels are read.
        form: widths as published, or compact.
        zero_residual: ICD's last layer starts at zero, so that an untrained `i` is `z`; else as published.
        epochs: each epoch shows each image once, in one of its views; None: 20, and more where that is under 40 steps.
        batch_size: images per step; the last step of an epoch takes the rest.
        most_steps: a limit to epochs times batches.
        learning_rate: the highest one, from which it falls to zero by a cosine.
        epsilon: AdamW's, beside the root of the second moment.
        weight_decay: AdamW's, on everything.
        loss_weights: of the five terms, `components.ldc.loss.TERMS`.
        even_channels: while training, each channel of the levels is divided by its standard deviation; the division is
            then multiplied into the weights that read it.
        feature_noise: standard deviation of Gaussian noise on the levels while training, in units of each channel's own.
        mixup: features, start logits and label of each image are mixed with another image's of the batch, by a
            uniformly drawn share (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, with alpha 1, on
            features).
    """

    start: Start
    fusion: int
    level_mode: LevelMode
    form: Form
    zero_residual: bool
    epochs: int | None
    batch_size: int
    most_steps: int | None
    learning_rate: float
    epsilon: float
    weight_decay: float
    loss_weights: tuple[float, ...]
    even_channels: bool
    feature_noise: float
    mixup: bool


PUBLISHED = Recipe(
    start="zero_shot",
    fusion=2,
    level_mode="full",
    form="published",
    zero_residual=False,
    epochs=50,
    batch_size=64,
    most_steps=None,
    learning_rate=1e-4,
    epsilon=1e-4,
    weight_decay=1e-4,
    loss_weights=PUBLISHED_WEIGHTS,
    even_channels=False,
    feature_noise=0.0,
    mixup=False,
)
"""The authors' settings in 32 bits; their code runs in 16, which optimises differently (docs/experiments/ldc.md)."""

OURS = Recipe(
    start="map_lr",
    fusion=2,
    level_mode="pooled",
    form="published",
    zero_residual=True,
    epochs=None,
    batch_size=128,
    most_steps=200,
    learning_rate=2e-3,
    epsilon=1e-8,
    weight_decay=0.05,
    loss_weights=(1.0, 1.0, 1.0, 0.0, 0.0),
    even_channels=True,
    feature_noise=0.5,
    mixup=True,
)
"""The start of the search, and the recipe that is used if there is nothing to search on."""
