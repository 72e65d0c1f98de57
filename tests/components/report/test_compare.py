"""Two classifiers on the same photos."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from components.artefacts import answers_text, read_answers
from components.errors import UserInputError
from components.report import compare, write_comparison
from components.workspace import Workspace
from tests.support.drawn_answers import answers, spoilt


def test_the_class_that_was_spoilt_is_named_first() -> None:
    before = answers(200, 0.95, 0)
    found = compare(before, spoilt(before, "b"), names=("old", "new"))
    assert found.classes[0].name == "b"
    assert found.classes[0].taken_for[0][0] == "d"
    assert found.differs
    assert found.classes[0].p < 0.001
    assert "  b: " in found.told[1]
    assert len(found.became_wrong) == found.classes[0].became_wrong
    assert all(each.became_wrong == 0 for each in found.classes[1:])
    assert json.loads(json.dumps(found.to_json()))["classes"][0]["class"] == "b"


def test_runs_that_differ_in_nothing_that_matters_are_rarely_told_apart() -> None:
    alarms = sum(compare(answers(120, 0.9, 2 * seed), answers(120, 0.9, 2 * seed + 1)).differs for seed in range(100))
    assert alarms <= 5


def test_only_photos_of_both_and_of_one_label_count() -> None:
    first, second = answers(40, 1.0, 0), answers(40, 1.0, 1)
    second = [*second[10:], replace(second[0], path="other.jpg"), replace(second[1], actual="c")]
    found = compare(first, second)
    assert (found.before.n, found.only_first, found.only_second) == (30, 10, 2)
    nothing = compare(first, [])
    assert "cannot be compared" in nothing.verdict
    assert nothing.p == 1.0


def test_the_page_shows_what_became_wrong(tmp_path: Path) -> None:
    before = answers(40, 1.0, 0)
    write_comparison(tmp_path / "c.html", compare(before, spoilt(before, "a"), names=("<old>", "new")), tmp_path)
    page = (tmp_path / "c.html").read_text(encoding="utf-8")
    assert "&lt;old&gt;" in page
    assert "0.jpg" in page
    assert "Photos that became wrong" in page


def test_tables_of_answers_come_back(measured: Workspace) -> None:
    text = (measured.reports / "answers.csv").read_text(encoding="utf-8")
    rows = read_answers(text, on="answers.csv")
    assert answers_text(rows) == text
    with pytest.raises(UserInputError, match="no column actual"):
        read_answers("path,class,probability\nx,a,1\n", on="classified.csv")
    with pytest.raises(UserInputError, match="cannot be read"):
        read_answers("path,actual,class,probability\nx,a,a,lots\n", on="answers.csv")
