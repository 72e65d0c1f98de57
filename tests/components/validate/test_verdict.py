"""What is found in photos, how grave it is, and what goes on."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError as SettingsError

from components.errors import ShotlineError, UserInputError
from components.validate import ValidateSettings, ValidationError, ValidationVerdict, validate
from tests.support.photo_tables import check


def failed(verdict: ValidationVerdict) -> dict[str, list[str]]:
    """Check -> the paths (or classes) that fail it."""
    return {
        answer.check.code: [str(row.get("path") or row.get("class")) for row in answer.failing]
        for answer in verdict.answers
        if answer.passed is False
    }


def test_good_photos_pass_unchanged(photos: Any) -> None:
    verdict = check(photos)
    assert failed(verdict) == {}
    assert verdict.passed
    verdict.stop_if_critical()
    manifest, quarantine, sample = photos.tables()
    assert (verdict.manifest, verdict.quarantine, verdict.sample) == (manifest, quarantine, sample)


def test_every_check_answers_and_says_where_it_does_not_apply(photos: Any) -> None:
    for row in photos.manifest:
        row["split"] = None
    photos.sample = [row for row in photos.sample if row["role"] == "support"]
    verdict = check(photos, shots=0)
    skipped = {a.check.code: a.check.skipped for a in verdict.answers if a.passed is None}
    assert skipped == {
        "known_splits": "the data has no splits",
        "near_duplicate_leakage": "no photos are kept for measuring",
        "shots_as_asked": "all photos were asked for",
        "measured": "no photos are kept for measuring; figures will be out of fold",
    }
    assert len({a.check.code for a in verdict.answers}) == len(verdict.answers) == 24


def same_id(photos: Any) -> None:
    photos.manifest[1]["id"] = photos.manifest[0]["id"]
    photos.sample[1]["id"] = photos.manifest[0]["id"]


def no_hash(photos: Any) -> None:
    photos.manifest[0]["id"] = photos.sample[0]["id"] = "image-1"


def learnt_and_measured(photos: Any) -> None:
    photos.sample.append(photos.sample[0] | {"role": "query"})


def unknown_id(photos: Any) -> None:
    photos.sample.append({"id": "f" * 64, "class": "pit", "role": "support", "shot": 9})


def near_duplicate_leak(photos: Any) -> None:
    photos.manifest[4]["group"] = photos.manifest[0]["group"]  # test/crack/0 is like train/crack/0


def near_duplicate_conflict(photos: Any) -> None:
    photos.manifest[6]["group"] = photos.manifest[0]["group"]  # train/pit/0 is like train/crack/0


def half_unreadable(photos: Any) -> None:
    for number in range(12):
        photos.refuse(f"train/pit/bad{number}.jpg", "pit", "truncated" if number % 2 else "zero_byte")


def one_unreadable(photos: Any) -> None:
    photos.refuse("train/pit/bad.jpg", "pit", "unreadable")


def duplicates_only(photos: Any) -> None:
    for number in range(12):
        photos.refuse(f"train/pit/copy{number}.jpg", "pit", "duplicate")


def changed(row: int, **values: Any) -> Callable[[Any], None]:
    def change(photos: Any) -> None:
        photos.manifest[row] |= values

    return change


def without_support(photos: Any) -> None:
    photos.sample = [row for row in photos.sample if row["class"] != "pit" or row["role"] == "query"]


def few_shots(photos: Any) -> None:
    photos.sample = [row for n, row in enumerate(photos.sample) if n not in (7, 8)]


def all_shots_too_small(photos: Any) -> None:
    for row in photos.manifest[6:10]:
        row["height"] = 20


def never_measured(photos: Any) -> None:
    photos.sample = [row for row in photos.sample if row["class"] != "pit" or row["role"] != "query"]


def same_names(photos: Any) -> None:
    for row in photos.manifest:
        row["name"] = "defect"


TRAIN_PIT = [f"train/pit/{n}.png" for n in range(4)]
TEST_PIT = [f"test/pit/{n}.png" for n in range(2)]


@pytest.mark.parametrize(
    ("change", "settings", "severity", "code", "where", "dropped"),
    [
        (same_id, {}, "critical", "unique_ids", ["train/crack/0.png", "train/crack/1.png"], []),
        (no_hash, {}, "critical", "ids_are_hashes", ["train/crack/0.png"], []),
        (changed(0, path="train/crack/1.png"), {}, "critical", "unique_paths", ["train/crack/1.png"] * 2, []),
        (changed(0, **{"class": ""}), {}, "critical", "labelled", ["train/crack/0.png"], ["train/crack/0.png"]),
        (changed(0, name=None), {}, "critical", "named", ["train/crack/0.png"], []),
        (changed(0, split="holdout"), {}, "critical", "known_splits", ["train/crack/0.png"], []),
        (learnt_and_measured, {}, "critical", "split_leakage", ["train/crack/0.png"] * 2, []),
        (unknown_id, {}, "critical", "drawn_from_manifest", ["f" * 64], []),
        (without_support, {}, "bad", "known_labels", TEST_PIT + TRAIN_PIT, TEST_PIT + TRAIN_PIT),
        (changed(2, width=20), {}, "bad", "large_enough", ["train/crack/2.png"], ["train/crack/2.png"]),
        (changed(2, width=60), {"min_size_px": 61}, "bad", "large_enough", None, None),
        (changed(0, width=300), {}, "warning", "aspect_ratio", ["train/crack/0.png"], []),
        (changed(0, blur=0.9), {}, "warning", "sharp", ["train/crack/0.png"], []),
        (changed(0, error="its EXIF is broken"), {}, "warning", "intact", ["train/crack/0.png"], []),
        (near_duplicate_leak, {}, "warning", "near_duplicate_leakage", ["test/crack/0.png"], []),
        (
            near_duplicate_conflict,
            {},
            "warning",
            "near_duplicates_across_classes",
            ["train/crack/0.png", "train/pit/0.png"],
            [],
        ),
        (one_unreadable, {}, "warning", "decode_errors", ["train/pit/bad.jpg"], []),
        (half_unreadable, {}, "critical", "decode_error_rate", None, []),
        (few_shots, {}, "warning", "shots_as_asked", ["pit"], []),
        (few_shots, {"min_shots": 3}, "critical", "minimum_shots", ["pit"], []),
        (few_shots, {"min_balance": 0.6}, "warning", "balance", ["pit"], []),
        (all_shots_too_small, {}, "critical", "minimum_shots", ["pit"], TRAIN_PIT),
        (never_measured, {}, "warning", "measured", ["pit"], []),
        (same_names, {}, "warning", "unique_names", ["crack", "pit"], []),
    ],
)
def test_what_is_found_and_what_follows(
    change: Callable[[Any], None],
    settings: dict[str, Any],
    severity: str,
    code: str,
    where: list[str] | None,
    dropped: list[str] | None,
    photos: Any,
) -> None:
    change(photos)
    before = {row["path"] for row in photos.manifest}
    verdict = check(photos, **settings)
    found = failed(verdict)
    assert code in found
    (answer,) = [answer for answer in verdict.answers if answer.check.code == code]
    assert answer.check.severity == severity
    if where is not None:
        assert found[code] == where
    gone = before - set(verdict.manifest["path"].to_pylist())
    if dropped is not None:
        assert gone == set(dropped)
    quarantined = {row["path"] for row in verdict.quarantine.to_pylist()} - {row["path"] for row in photos.quarantine}
    assert quarantined == gone
    kept = set(verdict.manifest["id"].to_pylist())
    if code != "drawn_from_manifest":
        assert set(verdict.sample["id"].to_pylist()) <= kept
    if severity == "critical":
        assert not verdict.passed
        with pytest.raises(ValidationError) as caught:
            verdict.stop_if_critical()
        assert caught.value.exit_code == 2
        assert isinstance(caught.value, UserInputError)
        assert caught.value.remedy


def test_duplicates_are_no_decode_errors(photos: Any) -> None:
    duplicates_only(photos)
    assert failed(check(photos)) == {}


def test_a_stop_names_the_rows_and_the_other_checks(photos: Any) -> None:
    few_shots(photos)
    photos.sample = [
        row for row in photos.sample if row["class"] != "pit" or row["shot"] != 0 or row["role"] == "query"
    ]
    learnt_and_measured(photos)
    photos.add("train/pit/lonely.png", "pit", "support")
    with pytest.raises(ValidationError) as caught:
        check(photos, min_shots=3).stop_if_critical()
    assert (
        caught.value.what
        == "it does not hold that no photo is both learnt from and measured; also failed: minimum_shots"
    )
    assert "train/crack/0.png" in caught.value.on
    assert caught.value.remedy == "run the stage ingest again; do not edit its tables"


def test_one_class_is_none_to_tell_apart(photos: Any) -> None:
    photos.manifest = photos.manifest[:6]
    photos.sample = photos.sample[:6]
    verdict = check(photos)
    assert list(failed(verdict)) == ["two_classes"]
    with pytest.raises(ValidationError, match="there are two classes at least"):
        verdict.stop_if_critical()


def test_bad_rows_say_why_they_were_dropped(photos: Any) -> None:
    photos.refuse("train/a.jpg", "crack", "zero_byte")
    photos.manifest[2]["width"] = 20
    without_support(photos)
    rows = {row["path"]: (row["reason"], row["detail"]) for row in check(photos).quarantine.to_pylist()}
    assert rows["train/a.jpg"] == ("zero_byte", "seen")
    assert rows["train/crack/2.png"] == ("too_small", "its shorter side has 20 pixels, fewer than 32")
    assert rows["test/pit/0.png"] == ("class_without_support", "there are no support photos of the class pit")
    assert list(rows) == sorted(rows)


def test_the_verdict_is_the_same_for_the_same_photos(photos: Any) -> None:
    near_duplicate_leak(photos)
    half_unreadable(photos)
    photos.manifest[2]["width"] = 20
    few_shots(photos)
    verdicts = []
    for _ in range(2):
        verdict = check(photos, max_decode_errors=0.9)
        verdicts.append(json.dumps(verdict.as_json(), allow_nan=False, sort_keys=True))
    assert verdicts[0] == verdicts[1]
    content = json.loads(verdicts[0])
    assert (content["version"], content["passed"], content["photos"], content["quarantined"]) == (1, True, 11, 13)
    (size,) = [check for check in content["checks"] if check["code"] == "large_enough"]
    assert size["failing_rows"] == [{"path": "train/crack/2.png", "class": "crack", "shorter_side_px": 20}]


def test_a_table_that_is_not_ingests_is_our_fault(photos: Any) -> None:
    manifest, quarantine, sample = photos.tables()
    with pytest.raises(ShotlineError, match="the check sharp could not be made") as caught:
        validate(manifest.drop_columns(["blur"]), quarantine, sample, shots=4, settings=ValidateSettings())
    assert caught.value.exit_code == 1


@pytest.mark.parametrize("wrong", [{"min_shots": 0}, {"max_blur": 1.5}, {"min_shot": 2}, {"max_aspect_ratio": 0.5}])
def test_settings_are_refused_before_any_work(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError):
        ValidateSettings(**wrong)


def test_great_expectations_is_imported_by_nobody_who_does_not_validate() -> None:
    code = "import sys, components.validate; sys.exit('great_expectations' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
