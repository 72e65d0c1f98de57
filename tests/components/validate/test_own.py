"""A person's own expectations run beside ours, with their own severity."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from components.errors import UserInputError
from components.validate import ValidateSettings, validate
from tests.support.photo_tables import check


def suite(file: Path, *expectations: dict[str, Any]) -> Path:
    """As Great Expectations writes one."""
    file.write_text(json.dumps({"name": "mine", "id": None, "expectations": expectations, "meta": {}}))
    return file


def test_they_are_checked_with_their_own_severity(photos: Any, tmp_path: Path) -> None:
    check(photos)  # Great Expectations is imported
    wide = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "width", "min_value": 10_000}}
    counted = {"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}, "description": "photos"}
    few = {"type": "expect_column_unique_value_count_to_be_between", "kwargs": {"column": "class", "max_value": 1}}
    own = suite(tmp_path / "own.json", {**wide, "severity": "warning"}, counted, few)

    verdict = validate(*photos.tables(), shots=4, settings=ValidateSettings(), own=own)

    found = {each.check.code: each for each in verdict.answers if each.check.suite == "own"}
    assert {code: (each.check.severity, each.passed) for code, each in found.items()} == {
        "own_1": ("warning", False),
        "own_2": ("critical", True),
        "own_3": ("critical", False),
    }
    assert len(found["own_1"].failing) == len(photos.manifest)
    assert found["own_2"].check.title == "photos"
    assert [each.check.code for each in verdict.critical] == ["own_3"]
    severities = {
        each["expectation_config"]["meta"]["code"]: each["expectation_config"]["severity"]
        for each in verdict.suites[0].result.to_json_dict()["results"]
    }
    assert severities["unique_ids"] == "critical"
    assert severities["large_enough"] == "warning"  # ours is called bad, and it quarantines
    assert severities["sharp"] == "info"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[", "no suite of Great Expectations"),
        ('{"expectations": [{"type": "drop table"}]}', "no suite of Great Expectations: expectations.0.type"),
        ('{"expectations": [{"type": "expect_magic"}]}', "has no such expectation"),
        ('{"expectations": [{"type": "expect_column_to_exist", "kwargs": {"columm": "id"}}]}', "arguments are wrong"),
        (
            '{"expectations": [{"type": "expect_column_values_to_be_null", "kwargs": {"column": "colour"}}]}',
            "no column 'colour'",
        ),
    ],
)
def test_a_slip_is_told_with_its_place(photos: Any, tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "own.json").write_text(content)
    with pytest.raises(UserInputError, match=told):
        validate(*photos.tables(), shots=4, settings=ValidateSettings(), own=tmp_path / "own.json")


def test_none_are_needed(photos: Any, tmp_path: Path) -> None:
    for own in (tmp_path / "nothing.json", suite(tmp_path / "empty.json")):
        verdict = validate(*photos.tables(), shots=4, settings=ValidateSettings(), own=own)
        assert {each.check.suite for each in verdict.answers} == {"photos", "files", "sample", "classes"}
