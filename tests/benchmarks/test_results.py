"""Tables in documents are those of the results, and results are what scripts print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.lib.documents import documents, rendered
from benchmarks.lib.results import RESULTS, Result
from benchmarks.lib.tables import Table, filled, find_tables, references
from tests.conftest import REPOSITORY

PRINTED = """loading
| head | right, % |
|---|---:|
| gda | 85.9 |
| map_lr \\| pool | |
done
| a |
|---|
"""


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_a_documents_tables_are_those_of_the_results(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert rendered(text) == text


def test_every_result_is_whole_and_shown() -> None:
    shown = {each for path in documents() for each in references(path.read_text(encoding="utf-8"))}
    names = sorted(path.stem for path in RESULTS.glob("*.json"))
    assert names
    assert {name for name, _ in shown} == set(names)
    for name in names:
        result = Result.read(name)
        assert result.commands
        assert result.recorded or (result.commit and result.date and result.machine)
        for table in result.tables:
            assert {len(row) for row in (table.header, table.right, *table.rows)} == {len(table.header)}


def test_tables_are_read_from_what_a_script_prints_and_written_the_same() -> None:
    first, second = find_tables(PRINTED)
    assert first == Table(("head", "right, %"), (False, True), (("gda", "85.9"), ("map_lr | pool", "")))
    assert second.rows == ()
    assert first.markdown in PRINTED
    assert find_tables(first.markdown) == [first]


def test_a_changed_figure_is_seen_and_mended(tmp_path: Path) -> None:
    tables = tuple(find_tables(PRINTED))
    Result(("mine.py",), "abc", "2026-01-01", "a machine", False, tables).write("mine", tmp_path)
    assert Result.read("mine", tmp_path).tables == tables
    document = f"Before\n\n<!-- result mine 1 -->\n{tables[0].markdown}\nAfter\n"
    assert rendered(document, tmp_path) == document
    assert rendered(document.replace("85.9", "99.9"), tmp_path) == document
    assert list(references(document)) == [("mine", 1)]
    with pytest.raises(IndexError, match="table 3 is asked for"):
        filled("<!-- result mine 3 -->\n", lambda name, number: Result.read(name, tmp_path).table(number))


def test_what_cannot_be_recorded_is_told() -> None:
    for asked, told in ((["nothing_of_ours"], "there is no benchmark nothing_of_ours"), ([], "record.py SCRIPT")):
        command = [sys.executable, str(REPOSITORY / "benchmarks/record.py"), *asked]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert told in done.stderr
