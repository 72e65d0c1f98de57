"""The heads: what maps features to class scores.

In comes a `Support` (features, labels and folds of the labelled photos, text embeddings); out comes a fitted `Head`
that scores any `Features` and can be saved as a `HeadState`. Each family has one module. LDC has a room of its own;
`components.classifier.registry` has all of them by name.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.heads.protocol import Head, HeadState
    from components.heads.stand_in import StandIn, stand_in
    from components.heads.support import Support, stratified_folds

__all__ = ["Head", "HeadState", "StandIn", "Support", "stand_in", "stratified_folds"]

on_demand(__name__)
