"""LDC as a `Head`: its start logits, the trained model, and how its outputs are mixed."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from components.backbone import Projector
from components.features.carriers import Features
from components.features.keys import LevelMode
from components.heads.protocol import Head, HeadState
from components.ldc.model import LDC, Outputs
from components.ldc.recipe import Recipe
from components.ldc.shape import Shape
from components.ldc.start import StoredStart, ZeroShotStart, start_from_state
from components.ldc.training import load_parts, outputs_of

__all__ = ["MIXED", "LdcHead"]

MIXED = ("mlp", "icd", "alf", "clip")
"""The outputs that are mixed: `m`, `i`, `a` and the start logits `z`."""

_START, _PROJECTOR, _MODEL = "start.", "projector.", "model."


class LdcHead(Head):
    """`sum_j w_j (m, i, a, z)_j` of a trained LDC.

    Attributes:
        model_: the trained `LDC`.
        start_: what gives its start logits.
        projector_: the backbone's frozen last step, which serving needs.
        mix_: the four weights, in the order of `MIXED`.
        recipe_: how it was trained.
        level_mode: the form of levels that `scores` reads; finer ones are averaged.
    """

    name: ClassVar[str] = "ldc"
    needs_levels: ClassVar[bool] = True

    model_: LDC
    start_: ZeroShotStart | StoredStart
    projector_: Projector
    mix_: tuple[float, ...]
    recipe_: Recipe

    @property
    def level_mode(self) -> LevelMode:
        """`pooled`, `grid` or `full`."""
        return self.recipe_.level_mode

    def outputs(self, features: Features) -> Outputs:
        """All of LDC's outputs for n rows."""
        return outputs_of(self.model_, features, None, self.start_.scores(features), self.level_mode)

    def scores(self, features: Features) -> Tensor:
        """(n, K) float32."""
        return self.mixed(self.outputs(features))

    def mixed(self, outputs: Outputs) -> Tensor:
        """(n, K): its answer from `outputs`."""
        return mixed(outputs, self.mix_)

    def state(self) -> HeadState:
        """Weights, statistics, start, projector and settings."""
        learnt = {
            name: tensor for name, tensor in self.model_.state_dict().items() if not name.startswith("maf.projector.")
        }
        start = self.start_.state()
        tensors = {f"{_MODEL}{name}": tensor for name, tensor in learnt.items()}
        tensors |= {f"{_START}{name}": tensor for name, tensor in start.tensors.items()}
        tensors |= {f"{_PROJECTOR}{name}": tensor for name, tensor in self.projector_.tensors.items()}
        projector = {key: value for key, value in asdict(self.projector_).items() if key != "tensors"}
        settings = {
            "recipe": _listed(asdict(self.recipe_)),
            "shape": _listed(asdict(self.model_.shape)),
            "mix": list(self.mix_),
            "projector": projector,
            "start": {"name": start.name, "settings": start.settings},
        }
        return HeadState(self.name, {name: tensor.contiguous() for name, tensor in tensors.items()}, settings)

    @classmethod
    def from_state(cls, state: HeadState) -> Self:
        """See `Head.from_state`."""

        def under(prefix: str) -> dict[str, Tensor]:
            return {n.removeprefix(prefix): t for n, t in state.tensors.items() if n.startswith(prefix)}

        head, settings = cls(), state.settings
        head.projector_ = Projector(tensors=under(_PROJECTOR), **settings["projector"])
        head.recipe_ = Recipe(**_tupled(settings["recipe"]))
        head.model_ = load_parts(LDC(Shape(**_tupled(settings["shape"])), head.projector_), under(_MODEL))
        head.start_ = start_from_state(
            HeadState(settings["start"]["name"], under(_START), settings["start"]["settings"])
        )
        head.mix_ = tuple(settings["mix"])
        return head


def mixed(outputs: Outputs, weights: tuple[float, ...]) -> Tensor:
    """(n, K): the outputs' weighted sum; an output of weight 0 is ignored."""
    parts = (getattr(outputs, name) for name in MIXED)
    return torch.stack([w * part for w, part in zip(weights, parts, strict=True) if w]).sum(0)


def _listed(settings: dict[str, object]) -> dict[str, object]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in settings.items()}


def _tupled(settings: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
