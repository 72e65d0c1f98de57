"""The verdict on the photos: the checks, the rows that failed, and the tables for later stages."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.errors import UserInputError
from components.validate.checks import the_checks
from components.validate.expectations import ExpectationResult, Suite, run_suite, shown
from components.validate.frames import classes_frame, files_frame, photos_frame, sample_frame
from components.validate.own import own_checks
from components.validate.settings import ValidateSettings

__all__ = ["ValidationError", "ValidationVerdict", "validate"]

_ROWS_NAMED = 20
_ROWS_IN_JSON = 200


class ValidationError(UserInputError):
    """The photos cannot be trained on; catch it if the verdict should still be shown."""


@dataclass(frozen=True)
class ValidationVerdict:
    """The result of `validate`, and the tables that later stages read.

    Attributes:
        manifest: the manifest without bad rows.
        quarantine: the quarantine with the bad rows added.
        sample: the drawn photos without bad ones.
        classes: the classes as they were checked, without bad rows; see `frames.classes_frame`.
        suites: results of the checks, suite by suite.
    """

    manifest: pa.Table
    quarantine: pa.Table
    sample: pa.Table
    classes: pd.DataFrame
    suites: tuple[Suite, ...]

    @property
    def answers(self) -> tuple[ExpectationResult, ...]:
        """One answer per check, also if the check does not apply."""
        return tuple(answer for suite in self.suites for answer in suite.answers)

    @property
    def critical(self) -> tuple[ExpectationResult, ...]:
        """The checks whose failure stops the run."""
        return tuple(a for a in self.answers if a.passed is False and a.check.severity == "critical")

    @property
    def passed(self) -> bool:
        """Whether the run may go on."""
        return not self.critical

    def stop_if_critical(self) -> None:
        """Raise if a critical check failed; call it after the verdict has been written.

        Raises:
            ValidationError: naming the first rows of the first critical check, and the other critical checks.
        """
        if self.passed:
            return
        first, *others = self.critical
        rows = "; ".join(row_text(row) for row in first.failing[:_ROWS_NAMED])
        more = len(first.failing) - _ROWS_NAMED
        also = f"; also failed: {', '.join(answer.check.code for answer in others)}" if others else ""
        raise ValidationError(
            f"it does not hold that {first.check.title}{also}",
            on=(rows or first.check.suite) + (f"; and {more} more" if more > 0 else ""),
            remedy=first.check.remedy,
        )

    def as_json(self) -> dict[str, Any]:
        """The verdict in plain types, equal for equal photos, with at most 200 rows per check."""
        return {
            "version": 1,
            "passed": self.passed,
            "photos": self.manifest.num_rows,
            "quarantined": self.quarantine.num_rows,
            "checks": [
                {
                    "code": answer.check.code,
                    "suite": answer.check.suite,
                    "severity": answer.check.severity,
                    "title": answer.check.title,
                    "passed": answer.passed,
                    "skipped": answer.check.skipped,
                    "rows": answer.n_rows,
                    "failing": len(answer.failing),
                    "failing_rows": list(answer.failing[:_ROWS_IN_JSON]),
                    "remedy": None if answer.passed is not False else answer.check.remedy,
                }
                for answer in self.answers
            ],
        }


def validate(
    manifest: pa.Table,
    quarantine: pa.Table,
    sample: pa.Table,
    *,
    shots: int,
    settings: ValidateSettings,
    own: Path | None = None,
    actions: Sequence[Any] = (),
) -> ValidationVerdict:
    """Check the photos with Great Expectations.

    Bad rows are dropped first, and the classes are checked without them. Failing checks raise nothing: write the
    verdict, then call its `stop_if_critical`.

    Args:
        manifest: accepted photos, as `ingest` made it.
        quarantine: files that are not used.
        sample: drawn photos.
        shots: support photos per class that were asked for; 0 means all.
        settings: the section `validate` of params.yaml.
        own: a person's own suite, see `own_checks`; None: there is none.
        actions: see `own_actions`.

    Raises:
        UserInputError: that suite cannot be read.
    """
    roles = set(sample["role"].to_pylist())
    names = dict(zip(manifest["class"].to_pylist(), manifest["name"].to_pylist(), strict=True))
    checks = the_checks(
        settings,
        shots=shots,
        has_splits=manifest["split"].null_count < manifest.num_rows,
        has_held_out=not roles.isdisjoint({"query", "validation"}),
        has_query="query" in roles,
        n_classes=len(names),
    )
    frames = _frames(manifest, quarantine, sample)
    own_suite = [] if own is None else own_checks(own, list(frames["photos"].columns))
    suites = [run_suite(name, frame, checks, actions) for name, frame in frames.items()]
    if own_suite:
        suites.append(run_suite("own", frames["photos"], own_suite, actions))
    bad = _bad_rows(suites)
    kept = pc.invert(pc.is_in(manifest["path"], value_set=pa.array(sorted(bad), pa.string())))
    dropped = manifest.filter(pc.invert(kept))
    validated = manifest.filter(kept)
    drawn = sample.filter(pc.invert(pc.is_in(sample["id"], value_set=dropped["id"].combine_chunks())))
    # A class without shots disappears with its rows, but a class that has lost all its shots must fail the check.
    learnt = set(sample.filter(pc.equal(sample["role"], "support"))["class"].to_pylist())
    classes = classes_frame({label: names.get(label, label) for label in learnt}, drawn)
    suites.append(run_suite("classes", classes, checks, actions))
    return ValidationVerdict(
        manifest=validated,
        quarantine=_with_bad(quarantine, dropped, bad),
        sample=drawn,
        classes=classes,
        suites=tuple(suites),
    )


def _frames(manifest: pa.Table, quarantine: pa.Table, sample: pa.Table) -> dict[str, pd.DataFrame]:
    """What each suite looks at, but for the classes, which are what the others leave of them."""
    return {
        "photos": photos_frame(manifest, sample),
        "files": files_frame(manifest, quarantine),
        "sample": sample_frame(sample, manifest),
    }


def row_text(row: dict[str, Any]) -> str:
    """One failing row in words: its place and its values."""
    keys = [key for key in ("path", "class") if row.get(key)]
    found = [f"{key} {shown(value)}" for key, value in row.items() if key not in keys]
    return (str(row[keys[0]]) if keys else "") + (f" ({', '.join(found)})" if found else "")


def _bad_rows(suites: Sequence[Suite]) -> dict[str, dict[str, str]]:
    """Path of each photo to drop, with reason and detail by the first check that it failed."""
    bad: dict[str, dict[str, str]] = {}
    for suite in suites:
        for answer in suite.answers:
            if answer.check.severity == "bad":
                for row in answer.failing:
                    found = {"reason": answer.check.reason, "detail": answer.check.detail.format(**row)}
                    bad.setdefault(row["path"], found)
    return bad


def _with_bad(quarantine: pa.Table, dropped: pa.Table, bad: dict[str, dict[str, str]]) -> pa.Table:
    rows = [row | bad[row["path"]] for row in dropped.select(["path", "class", "split"]).to_pylist()]
    added = pa.Table.from_pylist(rows, schema=quarantine.schema)
    return pa.concat_tables([quarantine, added]).sort_by([("path", "ascending"), ("reason", "ascending")])
