"""The heads: what maps features to class scores.

In comes a `Support` (features, labels and folds of the labelled photos, text embeddings); out comes a fitted `Head`
that scores any `Features` and can be written down as a `HeadState`. One module a family. LDC has a room of its own;
`components.classifier.registry` has all of them by name.
"""

from components.heads.gda import GDA
from components.heads.linear_probe import LinearProbe, LinearProbeLevels
from components.heads.map_lr import MapLR
from components.heads.nearest_mean import NearestMean
from components.heads.protocol import Head, HeadState
from components.heads.stand_in import StandIn, stand_in
from components.heads.support import Support, stratified_folds
from components.heads.tip_adapter import TipAdapter, TipAdapterF
from components.heads.zero_shot import ZeroShot

__all__ = [
    "GDA",
    "Head",
    "HeadState",
    "LinearProbe",
    "LinearProbeLevels",
    "MapLR",
    "NearestMean",
    "StandIn",
    "Support",
    "TipAdapter",
    "TipAdapterF",
    "ZeroShot",
    "stand_in",
    "stratified_folds",
]
