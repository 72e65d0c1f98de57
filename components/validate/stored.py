"""Photos that lie beside `data/raw`, arrivals and pool, against the checks of photos that training makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from components.validate.checks import Check, the_checks
from components.validate.expectations import ExpectationResult, run_suite
from components.validate.own import own_checks
from components.validate.settings import ValidateSettings

__all__ = ["StoredPhoto", "check_stored"]

# What is asked of one photo by itself; splits, roles and near-duplicates belong to a training.
_CODES = ("unique_ids", "ids_are_hashes", "decodable", "large_enough", "aspect_ratio", "sharp", "intact")


@dataclass(frozen=True)
class StoredPhoto:
    """A photo, as it was measured.

    Attributes:
        path: where it lies, relative to the workspace.
        label: its class; empty in the pool.
        id: SHA-256 of its bytes; None where it cannot be decoded.
        width: in pixels; 0 where it cannot be decoded.
        height: likewise.
        blur: 0 crisp, 1 without detail.
        error: what is wrong with its file; None: nothing.
        decode_error: why it cannot be decoded; None: it can.
    """

    path: str
    label: str
    id: str | None
    width: int
    height: int
    blur: float
    error: str | None
    decode_error: str | None


def check_stored(
    photos: Sequence[StoredPhoto], settings: ValidateSettings, own: Path | None = None, actions: Sequence[Any] = ()
) -> list[ExpectationResult]:
    """What came of each check, with the photos that fail it; also of a person's own, as far as these columns go.

    Args:
        photos: at least one.
        settings: the section `validate` of params.yaml.
        own: see `own_checks`; one about a column that these photos do not have is told as skipped.
        actions: see `own_actions`.
    """
    frame = _frame(photos)
    checks = [_of_stored(check, frame) for check in _checks(settings)]
    if own is not None:
        columns = [*frame.columns, *_ELSEWHERE]
        checks += [_of_stored(replace(check, suite="stored"), frame) for check in own_checks(own, columns)]
    return list(run_suite("stored", frame, checks, actions).answers)


_ELSEWHERE = (
    "name",
    "split",
    "role",
    "group",
    "mode",
    "size_bytes",
    "class_is_learnt",
    "twin_in_support",
    "twin_in_class",
)


def _checks(settings: ValidateSettings) -> list[Check]:
    found = the_checks(settings, shots=0, has_splits=False, has_held_out=False, has_query=False, n_classes=1)
    decodable = Check(
        code="decodable",
        suite="photos",
        severity="bad",
        title="every photo can be decoded",
        remedy="copy or export the photo again",
        expectation="ExpectColumnValuesToBeNull",
        arguments={"column": "decode_error"},
    )
    return [replace(check, suite="stored") for check in (*found, decodable) if check.code in _CODES]


def _of_stored(check: Check, frame: pd.DataFrame) -> Check:
    named = [value for key, value in check.arguments.items() if key.lower() in ("column", "column_a", "column_b")]
    missing = [column for column in named if column not in frame.columns]
    return replace(check, skipped=f"only a training knows the column {missing[0]}") if missing else check


def _frame(photos: Sequence[StoredPhoto]) -> pd.DataFrame:
    frame = pd.DataFrame([asdict(photo) for photo in photos]).rename(columns={"label": "class"})
    sides = frame[["width", "height"]].where(
        frame["decode_error"].isna()
    )  # what cannot be decoded fails that check alone
    frame["shorter_side_px"] = sides.min(axis=1)
    frame["aspect_ratio"] = (sides.max(axis=1) / sides.min(axis=1)).round(2)
    frame.loc[frame["decode_error"].notna(), "blur"] = None
    for column in ("error", "decode_error"):
        frame[column] = frame[column].astype(object)
    return frame
