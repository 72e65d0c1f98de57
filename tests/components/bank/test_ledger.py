import multiprocessing
from pathlib import Path

import pytest

from components.bank.ledger import Ledger, LedgerEntry
from components.errors import ShotlineError


def entry(name: str, **more: object) -> LedgerEntry:
    return LedgerEntry("add", who="anna", time="2026-01-02T03:04:05+00:00", made_on="v1", name=name, **more)  # type: ignore[arg-type]


def append(path: Path, name: str) -> None:
    ledger = Ledger(path)
    with ledger.turn():
        ledger.append([entry(name)])


def test_what_is_appended_is_read_in_order_and_numbered(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    assert ledger.entries() == []
    with ledger.turn() as before:
        assert before == []
        ledger.append([entry("缺陷", photos=("a", "b"), forced=True), entry("pit")])
    with ledger.turn() as before:
        assert [each.number for each in before] == [1, 2]
        ledger.append([LedgerEntry("rollback", "bob", "2026-01-03T00:00:00+00:00", "v2", back_to=1)])

    read = Ledger(tmp_path / "ledger.jsonl").entries()
    assert [(each.number, each.action, each.name) for each in read] == [
        (1, "add", "缺陷"),
        (2, "add", "pit"),
        (3, "rollback", ""),
    ]
    assert read[0].photos == ("a", "b")
    assert read[0].forced
    assert read[2].back_to == 1


def test_a_line_that_a_killed_writer_left_half_written_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, "one")
    whole = path.read_bytes()
    for cut in (1, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole + whole[:cut])
        assert [each.name for each in Ledger(path).entries()] == ["one"]
        append(path, "two")
        assert [each.name for each in Ledger(path).entries()] == ["one", "two"]


@pytest.mark.parametrize(
    "line", ["not json", "[]", '{"action": "forget"}', '{"action": "add", "number": 1, "nobody": 2}']
)
def test_a_damaged_line_is_told_and_nothing_is_written_after_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(ShotlineError, match="line 1 of the ledger cannot be read"):
        append(path, "one")
    assert path.read_text() == line + "\n"


def test_a_line_that_is_missing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    for name in ("one", "two"):
        append(path, name)
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[1])
    with pytest.raises(ShotlineError, match="says that it is entry 2"):
        Ledger(path).entries()


def test_writers_take_turns_and_none_is_lost(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(12)]
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        pool.starmap(append, [(tmp_path / "ledger.jsonl", name) for name in names])
    found = Ledger(tmp_path / "ledger.jsonl").entries()
    assert sorted(each.name for each in found) == sorted(names)
    assert [each.number for each in found] == list(range(1, 13))


def test_writing_out_of_turn_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="turn"):
        Ledger(tmp_path / "ledger.jsonl").append([entry("one")])
