"""How an LDC is trained, as one value: the publication's way and ours."""

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
    """Everything that decides what is learnt from given features, but for the seed.

    Attributes:
        start: the logits `z` that ICD deconfuses: zero-shot's, as published, or MAP-LR's.
        fusion: 1, 2 or 3 of MAF.
        level_mode: the form in which levels are read.
        form: widths as published, or compact.
        zero_residual: ICD's last layer starts at zero, so that an untrained `i` is `z`; else as published.
        epochs: each image once an epoch, in one of its views.
        batch_size: images a step; the last of an epoch takes what is left.
        most_steps: a limit to epochs times batches.
        learning_rate: at the start of its cosine to zero.
        epsilon: AdamW's, beside the root of the second moment.
        weight_decay: AdamW's, on everything.
        loss_weights: of the five terms, `components.ldc.loss.TERMS`.
        even_channels: while training, each channel of the levels is divided by its standard deviation; the division is
            then multiplied into the weights that read it.
        feature_noise: standard deviation of Gaussian noise on the levels while training, in units of each channel's own.
        mixup: each image of a batch is mixed with another of it, features, start and label, by a share drawn evenly
            (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018, with alpha 1, on features).
    """

    start: Start
    fusion: int
    level_mode: LevelMode
    form: Form
    zero_residual: bool
    epochs: int
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
"""The authors' settings, in 32 bits; theirs ran in 16, which is another optimiser (docs/experiments/ldc.md)."""

OURS = Recipe(
    start="map_lr",
    fusion=2,
    level_mode="pooled",
    form="published",
    zero_residual=True,
    epochs=40,
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
"""Where the search starts, and what is taken where there is nothing to search on."""
