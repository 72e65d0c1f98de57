"""The classifier: the honest choice among fitted heads, its calibration, and the bundle that saves both.

In comes a `Support`, and candidates of other families with their own out-of-fold logits; out comes a `Choice`, and a
`Bundle` in a folder. Nothing here can be given query images.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.classifier.bundle import Bundle, SupportRecord
    from components.classifier.calibration import (
        Reliability,
        abstention_threshold,
        expected_calibration_error,
        fit_temperature,
        least_temperature,
        reliability,
        threshold_between,
    )
    from components.classifier.candidates import (
        Candidate,
        HeldOut,
        fit_candidate,
        fit_candidates,
        held_out,
        load_candidates,
        save_candidates,
    )
    from components.classifier.choice import Choice, HeadVerdict, choose
    from components.classifier.facts import BundleFacts, OtherBundleVersionError, holds_bundle, saved_version
    from components.classifier.registry import (
        CLASSIFIER_HEADS,
        HEADS,
        HeadKind,
        fit_head,
        head_from_state,
        head_kind,
        usable_heads,
    )
    from components.classifier.settings import ClassifierSettings

__all__ = [
    "CLASSIFIER_HEADS",
    "HEADS",
    "Bundle",
    "BundleFacts",
    "Candidate",
    "Choice",
    "ClassifierSettings",
    "HeadKind",
    "HeadVerdict",
    "HeldOut",
    "OtherBundleVersionError",
    "Reliability",
    "SupportRecord",
    "abstention_threshold",
    "choose",
    "expected_calibration_error",
    "fit_candidate",
    "fit_candidates",
    "fit_head",
    "fit_temperature",
    "head_from_state",
    "head_kind",
    "held_out",
    "holds_bundle",
    "least_temperature",
    "load_candidates",
    "reliability",
    "save_candidates",
    "saved_version",
    "threshold_between",
    "usable_heads",
]

on_demand(__name__)
