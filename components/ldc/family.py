"""LDC's family: the start of a search, and the changes that it may try."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from components.errors import UserInputError
from components.features.keys import LEVEL_MODES, LevelMode
from components.heads.support import Support
from components.ldc.recipe import OURS, PUBLISHED, Recipe
from components.ldc.settings import LdcSettings

__all__ = ["alternatives", "base_recipe", "tries_grids"]

_MOST_SQUARES = 16  # positions of a grid that is tried by default: a step takes three times as long on 9, twenty on 49


def base_recipe(settings: LdcSettings, support: Support) -> Recipe:
    """The start of the search: the values that the settings fix, and our defaults for the others."""
    available = _finest(support)
    base = PUBLISHED if settings.recipe == "published" else OURS
    recipe = replace(
        base,
        form=settings.form,
        fusion=base.fusion if settings.fusion == "auto" else settings.fusion,
        level_mode="pooled" if settings.level_mode == "auto" else settings.level_mode,
    )
    if settings.recipe == "published":
        recipe = replace(recipe, level_mode=available) if settings.level_mode == "auto" else recipe
    if LEVEL_MODES.index(recipe.level_mode) < LEVEL_MODES.index(available):
        raise UserInputError(
            f'ldc.level_mode is "{recipe.level_mode}", and the cached levels are "{available}"',
            on="params.yaml",
            remedy=f'set features.mode to "{recipe.level_mode}", or ldc.level_mode to "{available}"',
        )
    if settings.recipe == "published":
        return recipe
    l1 = 0.0 if settings.l1_weight is None else settings.l1_weight
    return replace(
        recipe,
        start=settings.start,
        epochs=settings.epochs,
        most_steps=settings.most_steps,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate or OURS.learning_rate,
        epsilon=settings.epsilon,
        weight_decay=settings.weight_decay,
        loss_weights=(1.0, 1.0, 1.0, l1, l1),
        feature_noise=settings.feature_noise,
        mixup=settings.mixup,
    )


def alternatives(settings: LdcSettings) -> list[dict[str, Any]]:
    """Changes to try, each relative to the start of the search; values that the settings fix are not tried."""
    if settings.recipe == "published":
        return []
    changes: list[dict[str, Any]] = []
    if settings.fusion == "auto":
        changes.append({"fusion": 3})
    if settings.learning_rate is None:
        # changes of low rank start at zero and need larger steps
        rate = OURS.learning_rate * 3 if settings.form == "compact" else OURS.learning_rate / 3
        changes.append({"learning_rate": rate})
    if settings.l1_weight is None:
        changes.append({"loss_weights": (1.0, 1.0, 1.0, 0.1, 0.1)})
    return changes


def tries_grids(settings: LdcSettings, support: Support) -> bool:
    """Whether the best recipe of pooled levels is tried on grids too: the settings allow it, and grids are small."""
    if settings.recipe != "ours" or settings.level_mode != "auto" or _finest(support) != "grid":
        return False
    return support.features.levels[-1].shape[2:].numel() <= _MOST_SQUARES


def _finest(support: Support) -> LevelMode:
    """The form of the support set's levels."""
    first, last = support.features.levels[0], support.features.levels[-1]
    if first.ndim == 2:
        return "pooled"
    return "grid" if first.shape[2:] == last.shape[2:] else "full"
