"""The section `ldc` of `params.yaml`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from components.ldc.recipe import OURS, Start
from components.ldc.shape import Form

__all__ = ["LdcSettings"]


@dataclass(frozen=True, config=ConfigDict(strict=True))
class LdcSettings:
    """What is trained, and which values are chosen on folds.

    Attributes:
        form: `published` widths, or `compact`: under 0.3 million weights for a 512-wide backbone and 100 classes.
        recipe: `ours`, or `published`: start, loss, optimiser and initialisation are the authors'; only the mix of its
            outputs is then searched.
        start: the logits that are deconfused: `map_lr`, or `zero_shot` as published.
        fusion: 1, 2 or 3; `auto` tries.
        level_mode: `pooled`, `grid` or `full`; `auto` takes pooled, or grids of at most 16 squares if they do better.
            It is never finer than `features.mode`. With the published recipe `auto` means the finest available form.
        epochs: each epoch shows each photo once; None: 20, and more where that is under 40 steps.
        most_steps: a limit on all steps of one training.
        batch_size: photos per step.
        learning_rate, l1_weight: a number; None: several are tried.
        epsilon: AdamW's.
        weight_decay, feature_noise, mixup: see `Recipe`.
        seed: of weights, batches and noise.
        device: `auto`, `cpu` or `cuda`.
    """

    form: Form = OURS.form
    recipe: Literal["ours", "published"] = "ours"
    start: Start = OURS.start
    fusion: Literal[1, 2, 3, "auto"] = "auto"
    level_mode: Literal["auto", "pooled", "grid", "full"] = "auto"
    epochs: Annotated[int, Field(ge=1)] | None = OURS.epochs
    most_steps: Annotated[int, Field(ge=1)] | None = OURS.most_steps
    batch_size: Annotated[int, Field(ge=1)] = OURS.batch_size
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    epsilon: Annotated[float, Field(gt=0)] = OURS.epsilon
    l1_weight: Annotated[float, Field(ge=0)] | None = 0.0
    weight_decay: Annotated[float, Field(ge=0)] = OURS.weight_decay
    feature_noise: Annotated[float, Field(ge=0)] = OURS.feature_noise
    mixup: bool = OURS.mixup
    seed: int = 0
    device: Literal["auto", "cpu", "cuda"] = "auto"
