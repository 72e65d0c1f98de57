"""The heads: what maps features to class scores.

In comes a `Support` (features, labels and folds of the labelled photos, text embeddings); out comes a fitted `Head`
that scores any `Features` and can be written down as a `HeadState`. One module a family; `HEADS` has them by name. LDC
has a room of its own and registers here.
A new head is a class with the methods of `Head` and one line in `registry.py`.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.heads.affine import StandIn, affine_of, stand_in
    from components.heads.protocol import Head, HeadState, level_mode_of
    from components.heads.registry import HEADS, head_class, head_from_state, register_head, usable_heads
    from components.heads.support import Support, stratified_folds

__all__ = [
    "HEADS",
    "Head",
    "HeadState",
    "StandIn",
    "Support",
    "affine_of",
    "head_class",
    "head_from_state",
    "level_mode_of",
    "register_head",
    "stand_in",
    "stratified_folds",
    "usable_heads",
]

on_demand(__name__)
