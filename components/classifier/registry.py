"""Every head by its name: the class of the fitted head, and how it is fitted. A new head is one file and one line here.

The names are known without loading the code that computes.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from components.errors import UserInputError

if TYPE_CHECKING:
    from components.heads import Head, HeadState, Support

__all__ = ["CLASSIFIER_HEADS", "HEADS", "HeadKind", "fit_head", "head_from_state", "head_kind", "usable_heads"]


@dataclass(frozen=True)
class HeadKind:
    """A kind of head.

    Attributes:
        where: the class of the fitted head, as `module:name`; the class has the head's name and says what it needs.
        fitted_by: `module:name` of a function of a support set whose result has it as `head`. None: the class has a
            method `fit` that learns from a support set and returns itself.
    """

    where: str
    fitted_by: str | None = None

    @cached_property
    def head(self) -> type[Head]:
        """The class of the fitted head."""
        found: type[Head] = pkgutil.resolve_name(self.where)
        return found

    @property
    def own_stage(self) -> bool:
        """Whether a stage of its own fits it and passes it to the stage classifier with its out-of-fold logits."""
        return self.fitted_by is not None

    def fit(self, support: Support) -> Head:
        """Learn from a support set; hyper-parameters are chosen on its folds or fixed beforehand.

        Raises:
            UserInputError: the support set lacks the words or levels that the head needs.
        """
        if self.fitted_by is not None:
            return pkgutil.resolve_name(self.fitted_by)(support).head  # type: ignore[no-any-return]
        unfitted: Any = self.head()
        fitted: Head = unfitted.fit(support)
        return fitted


HEADS: dict[str, HeadKind] = {
    "zero_shot": HeadKind("components.heads.zero_shot:ZeroShot"),
    "nearest_mean": HeadKind("components.heads.nearest_mean:NearestMean"),
    "linear_probe": HeadKind("components.heads.linear_probe:LinearProbe"),
    "linear_probe_levels": HeadKind("components.heads.linear_probe:LinearProbeLevels"),
    "tip_adapter": HeadKind("components.heads.tip_adapter:TipAdapter"),
    "tip_adapter_f": HeadKind("components.heads.tip_adapter:TipAdapterF"),
    "gda": HeadKind("components.heads.gda:GDA"),
    "map_lr": HeadKind("components.heads.map_lr:MapLR"),
    "map_lr_pool": HeadKind("components.heads.map_lr_pool:MapLRPool"),
    "ldc": HeadKind("components.ldc.head:LdcHead", fitted_by="components.ldc.fit:fit_ldc"),
}

CLASSIFIER_HEADS = tuple(name for name, kind in HEADS.items() if not kind.own_stage)
"""Those that the stage classifier fits."""


def head_kind(name: str) -> HeadKind:
    """The head of that name.

    Raises:
        UserInputError: there is none.
    """
    if name not in HEADS:
        raise UserInputError(f'there is no head "{name}"', on="heads", remedy=f"use some of {', '.join(HEADS)}")
    return HEADS[name]


def fit_head(name: str, support: Support) -> Head:
    """The head of that name, fitted; raises as `head_kind` and `HeadKind.fit` do."""
    return head_kind(name).fit(support)


def head_from_state(state: HeadState) -> Head:
    """The fitted head that a state was taken from, of any kind."""
    return head_kind(state.name).head.from_state(state)


def usable_heads(support: Support, names: Iterable[str]) -> list[str]:
    """Those of the named heads for which this support set has the words, levels and pool that they need."""
    return [
        name
        for name in names
        if not (head_kind(name).head.needs_text and support.text_embeddings is None)
        and not (head_kind(name).head.needs_levels and not support.features.levels)
        and not (head_kind(name).head.needs_pool and (support.pool is None or not len(support.pool)))
    ]
