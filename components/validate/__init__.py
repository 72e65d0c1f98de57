"""The checks of the photos before anything is learnt from them: the Great Expectations suite, as code.

In: the tables manifest, quarantine and sample of `components.ingest`, and `ValidateSettings`. Out: a
`ValidationVerdict` with the validated tables and an answer per check with the rows that failed. The checks are the rows
of `checks.yaml`. Critical failures stop the run (`ValidationVerdict.stop_if_critical`), bad rows are quarantined,
warnings are reported. The pages that show a verdict are in `components.report`.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.validate.actions import own_actions
    from components.validate.expectations import ExpectationResult, Suite, shown
    from components.validate.settings import ValidateSettings
    from components.validate.stored import StoredPhoto, check_stored
    from components.validate.verdict import ValidationError, ValidationVerdict, validate

__all__ = [
    "ExpectationResult",
    "StoredPhoto",
    "Suite",
    "ValidateSettings",
    "ValidationError",
    "ValidationVerdict",
    "check_stored",
    "own_actions",
    "shown",
    "validate",
]

on_demand(__name__)
