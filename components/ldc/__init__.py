"""LDC: logits deconfusion (CVPR 2025), as published and in our improved form, trained from cached features.

In: a `Support` with levels and the backbone's `Projector`, and `LdcSettings`. Out: the head `ldc`, its out-of-fold
logits, the trials of its search, and a line of loss per epoch.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.ldc.deconfused import deconfused, mean_residual
    from components.ldc.fit import LdcFit, Trial, fit_ldc
    from components.ldc.head import MIXED, LdcHead
    from components.ldc.loss import TERMS, loss_terms
    from components.ldc.model import LDC, Outputs, zero_shot_logits
    from components.ldc.optimiser import AdamW, cosine_rate
    from components.ldc.recipe import OURS, PUBLISHED, PUBLISHED_WEIGHTS, Recipe
    from components.ldc.settings import LdcSettings
    from components.ldc.shape import FORMS, Form, Shape, shape_for
    from components.ldc.sources import HeldViews, LiveViews
    from components.ldc.training import EpochLoss, Training, train_ldc
    from components.ldc.work import FitProgress

__all__ = [
    "FORMS",
    "LDC",
    "MIXED",
    "OURS",
    "PUBLISHED",
    "PUBLISHED_WEIGHTS",
    "TERMS",
    "AdamW",
    "EpochLoss",
    "FitProgress",
    "Form",
    "HeldViews",
    "LdcFit",
    "LdcHead",
    "LdcSettings",
    "LiveViews",
    "Outputs",
    "Recipe",
    "Shape",
    "Training",
    "Trial",
    "cosine_rate",
    "deconfused",
    "fit_ldc",
    "loss_terms",
    "mean_residual",
    "shape_for",
    "train_ldc",
    "zero_shot_logits",
]

on_demand(__name__)
