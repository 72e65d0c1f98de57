"""What must hold of the photos before anything is learnt from them: the Great Expectations suite, as code.

In: the tables manifest, quarantine and sample of `components.ingest`, and `ValidateSettings`. Out: a `Verdict` with the
validated tables, an answer per check with the rows that failed, and pages that open without a network. Critical
failures stop the run (`Verdict.stop_if_critical`), bad rows are quarantined, warnings are reported.
"""

from typing import TYPE_CHECKING

from components.on_demand import on_demand

if TYPE_CHECKING:
    from components.validate.expectations import ExpectationResult
    from components.validate.settings import ValidateSettings
    from components.validate.verdict import ValidationError, Verdict, validate

__all__ = ["ExpectationResult", "ValidateSettings", "ValidationError", "Verdict", "validate"]

on_demand(__name__)
