from pathlib import Path

import pytest

from components.files import atomic_path, write_json, write_text


def test_a_failed_write_leaves_the_old_file_and_nothing_beside(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_text(target, "old")

    def write_half() -> None:
        with atomic_path(target) as beside:
            beside.write_text("half of the ne")
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        write_half()

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_json_has_one_form_whatever_the_order_of_its_keys(tmp_path: Path) -> None:
    write_json(tmp_path / "a", {"b": 1, "a": "缺陷"})
    write_json(tmp_path / "b", {"a": "缺陷", "b": 1})

    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert "缺陷" in (tmp_path / "a").read_text(encoding="utf-8")
