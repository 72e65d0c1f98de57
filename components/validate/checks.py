"""The suite: what must hold of the photos, how grave it is where it does not, and what to do then."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from components.validate.settings import ValidateSettings

__all__ = ["Check", "Severity", "Suite", "class_checks", "photo_checks"]

Severity = Literal["critical", "bad", "warning"]
Suite = Literal["photos", "files", "sample", "classes"]


@dataclass(frozen=True)
class Check:
    """One expectation and what its failure means.

    Attributes:
        code: its name for programs.
        suite: the frame that it looks at.
        severity: `critical` stops the run, `bad` rows are quarantined, `warning` is reported.
        title: what is expected, a sentence without a full stop.
        remedy: what to do where it does not hold.
        expectation: the name of Great Expectations' class.
        arguments: its arguments.
        skipped: why it does not apply here, or None; silence must not be taken for health.
        reason: the code in the quarantine of the rows that fail a `bad` check.
        detail: what the quarantine says of such a row, with the row's keys and columns in braces.
    """

    code: str
    suite: Suite
    severity: Severity
    title: str
    remedy: str
    expectation: str
    arguments: dict[str, Any]
    skipped: str | None = None
    reason: str = ""
    detail: str = ""


def _maker(suite: Suite) -> Callable[..., Check]:
    def make(
        code: str,
        severity: Severity,
        title: str,
        remedy: str,
        expectation: str,
        skipped: str | None = None,
        *,
        reason: str = "",
        detail: str = "",
        **arguments: Any,
    ) -> Check:
        return Check(code, suite, severity, title, remedy, expectation, arguments, skipped, reason, detail)

    return make


def photo_checks(settings: ValidateSettings, *, has_splits: bool, has_query: bool, n_classes: int) -> list[Check]:
    """What is expected of the photos, the files and the drawn photos, before bad rows are dropped.

    Args:
        settings: the limits.
        has_splits: whether the data came with splits.
        has_query: whether there are photos that only measure.
        n_classes: how many classes there are.
    """
    photo, file, drawn = _maker("photos"), _maker("files"), _maker("sample")
    no_splits = None if has_splits else "the data has no splits"
    no_measuring = None if has_query else "no photos are kept for measuring"
    return [
        photo(
            "unique_ids",
            "critical",
            "every photo is there once",
            "run the stage ingest again; it keeps one copy of each photo",
            "ExpectColumnValuesToBeUnique",
            column="id",
        ),
        photo(
            "ids_are_hashes",
            "critical",
            "every id is a SHA-256",
            "run the stage ingest again; do not edit its tables",
            "ExpectColumnValuesToMatchRegex",
            column="id",
            regex="^[0-9a-f]{64}$",
        ),
        photo(
            "unique_paths",
            "critical",
            "every path is there once",
            "list each photo under one class and one split",
            "ExpectColumnValuesToBeUnique",
            column="path",
        ),
        photo(
            "labelled",
            "critical",
            "every photo has a class",
            "give the photo a class",
            "ExpectColumnValueLengthsToBeBetween",
            column="class",
            min_value=1,
        ),
        photo(
            "labels_present",
            "critical",
            "no class is missing",
            "give the photo a class",
            "ExpectColumnValuesToNotBeNull",
            column="class",
        ),
        photo(
            "named",
            "critical",
            "every class has a name in words",
            "name the class in classes.csv",
            "ExpectColumnValuesToNotBeNull",
            column="name",
        ),
        photo(
            "known_splits",
            "critical",
            "every split is train, val or test",
            "use train, val or test",
            "ExpectColumnValuesToBeInSet",
            no_splits,
            column="split",
            value_set=["train", "val", "test"],
        ),
        photo(
            "known_labels",
            "bad",
            "every photo's class has support photos",
            "add photos of the class to train, or leave it out of the other splits",
            "ExpectColumnValuesToBeInSet",
            reason="class_without_support",
            detail="there are no support photos of the class {class}",
            column="class_is_learnt",
            value_set=[True],
        ),
        photo(
            "large_enough",
            "bad",
            f"no side is shorter than {settings.min_size_px} pixels",
            "use larger photos, or lower validate.min_size_px in params.yaml",
            "ExpectColumnValuesToBeBetween",
            reason="too_small",
            detail=f"its shorter side has {{shorter_side_px}} pixels, fewer than {settings.min_size_px}",
            column="shorter_side_px",
            min_value=settings.min_size_px,
        ),
        photo(
            "aspect_ratio",
            "warning",
            f"no photo is longer than {settings.max_aspect_ratio:g} times its width",
            "crop the photo: a backbone sees a square of it",
            "ExpectColumnValuesToBeBetween",
            column="aspect_ratio",
            max_value=settings.max_aspect_ratio,
        ),
        photo(
            "sharp",
            "warning",
            f"no photo is blurred more than {settings.max_blur:g} (0 crisp, 1 without detail)",
            "take the photo again, or raise validate.max_blur in params.yaml",
            "ExpectColumnValuesToBeBetween",
            column="blur",
            max_value=settings.max_blur,
        ),
        photo(
            "intact",
            "warning",
            "nothing is wrong with a photo's file",
            "look whether the photo is shown as it should be, and export it again",
            "ExpectColumnValuesToBeNull",
            column="error",
        ),
        photo(
            "near_duplicate_leakage",
            "warning",
            "no photo that measures nearly equals a support photo",
            "move near-duplicates into one split; figures come out too good otherwise",
            "ExpectColumnValuesToBeNull",
            no_measuring,
            column="twin_in_support",
        ),
        photo(
            "near_duplicates_across_classes",
            "warning",
            "no photo nearly equals one of another class",
            "look which of the two labels is right",
            "ExpectColumnValuesToBeNull",
            "there is one class only" if n_classes < 2 else None,
            column="twin_in_class",
        ),
        drawn(
            "split_leakage",
            "critical",
            "no photo is both learnt from and measured",
            "run the stage ingest again; do not edit its tables",
            "ExpectColumnValuesToBeUnique",
            column="id",
        ),
        drawn(
            "drawn_from_manifest",
            "critical",
            "every drawn photo is in the manifest",
            "run the stage ingest again; do not edit its tables",
            "ExpectColumnValuesToBeInSet",
            column="in_manifest",
            value_set=[True],
        ),
        file(
            "decode_errors",
            "warning",
            f"at most {settings.reported_decode_errors:.0%} of the files cannot be decoded"
            if settings.reported_decode_errors
            else "every file can be decoded",
            "copy or export the photos again; the quarantine says what is wrong with each",
            "ExpectColumnValuesToBeNull",
            column="decode_error",
            mostly=1.0 - settings.reported_decode_errors,
        ),
        file(
            "decode_error_rate",
            "critical",
            f"at most {settings.max_decode_errors:.0%} of the files cannot be decoded",
            "look at what copied or exported the photos; the quarantine says what is wrong with each",
            "ExpectColumnValuesToBeNull",
            column="decode_error",
            mostly=1.0 - settings.max_decode_errors,
        ),
    ]


def class_checks(settings: ValidateSettings, *, shots: int, has_query: bool) -> list[Check]:
    """What is expected of the classes, after bad rows were dropped.

    Args:
        settings: the limits.
        shots: support photos a class that were asked for; 0 means all.
        has_query: whether there are photos that only measure.
    """
    each = _maker("classes")
    return [
        each(
            "two_classes",
            "critical",
            "there are two classes at least",
            "add photos of another class",
            "ExpectTableRowCountToBeBetween",
            min_value=2,
        ),
        each(
            "minimum_shots",
            "critical",
            f"every class has {settings.min_shots} support photo{'s' if settings.min_shots > 1 else ''} at least",
            "add photos of the class, remove it, or lower validate.min_shots in params.yaml",
            "ExpectColumnValuesToBeBetween",
            column="support",
            min_value=settings.min_shots,
        ),
        each(
            "shots_as_asked",
            "warning",
            f"every class has the {shots} support photos that were asked for",
            "add photos of the class, or ask for fewer shots",
            "ExpectColumnValuesToBeBetween",
            "all photos were asked for" if shots == 0 else None,
            column="support",
            min_value=shots,
        ),
        each(
            "balance",
            "warning",
            f"every class has {settings.min_balance:.0%} of the largest class's support photos at least",
            "add photos of the class, or ask for as many shots as the smallest class has",
            "ExpectColumnValuesToBeBetween",
            column="balance",
            min_value=settings.min_balance,
        ),
        each(
            "measured",
            "warning",
            "every class has photos that measure it",
            "add photos of the class to test; its accuracy stays unknown otherwise",
            "ExpectColumnValuesToBeBetween",
            None if has_query else "no photos are kept for measuring; figures will be out of fold",
            column="query",
            min_value=1,
        ),
        each(
            "unique_names",
            "warning",
            "no two classes have the same name in words",
            "tell them apart in classes.csv; zero-shot cannot otherwise",
            "ExpectColumnValuesToBeUnique",
            column="name",
        ),
    ]
