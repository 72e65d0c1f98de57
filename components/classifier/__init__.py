"""The classifier: the honest choice among fitted heads, its calibration, and the bundle that saves both.

In comes a `Support`, and candidates of other families with their own out-of-fold logits; out comes a `Choice`, and a
`Bundle` in a folder. Nothing here can be given query images.
"""

import components.ldc  # noqa: F401  (its head becomes known by name, so that what was saved of it can be read)
from components.classifier.bundle import Bundle, OtherBundleVersionError, SupportRecord, saved_version
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
from components.classifier.choice import Choice, Verdict, choose
from components.classifier.settings import ClassifierSettings

__all__ = [
    "Bundle",
    "Candidate",
    "Choice",
    "ClassifierSettings",
    "HeldOut",
    "OtherBundleVersionError",
    "Reliability",
    "SupportRecord",
    "Verdict",
    "abstention_threshold",
    "choose",
    "expected_calibration_error",
    "fit_candidate",
    "fit_candidates",
    "fit_temperature",
    "held_out",
    "least_temperature",
    "load_candidates",
    "reliability",
    "save_candidates",
    "saved_version",
    "threshold_between",
]
