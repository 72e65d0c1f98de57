"""What the door's documentation promises: its docstrings and the notebook run as they are written."""

from __future__ import annotations

import doctest
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import shotline
from tests.conftest import REPOSITORY, draw_photo


@pytest.fixture(scope="module")
def asked(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of `trained` that both may change, one after the other: each takes out what it has added."""
    root = Path(shutil.copytree(trained, tmp_path_factory.mktemp("asked") / "copy", symlinks=True))
    draw_photo(root / "red.jpg", 990, hue=200)
    draw_photo(root / "blue.jpg", 991, hue=150)
    for number in range(3):
        draw_photo(root / f"teal{number + 1}.jpg", 900 + number, hue=128)
    (root / "docs").mkdir()
    return root


def test_the_docstrings_say_what_happens(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order in which they stand, as one conversation with one workspace."""
    monkeypatch.chdir(asked)
    parts = [shotline.open, *(value for value in vars(shotline.Shotline).values() if callable(value))]
    names = {"open": shotline.open, "shotline": shotline}
    told: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    parser = doctest.DocTestParser()
    for part in parts:
        example = parser.get_doctest(part.__doc__ or "", names, part.__name__, shotline.__file__, 0)
        runner.run(example, out=told.append, clear_globs=False)
        names = example.globs
    assert runner.summarize(verbose=False).failed == 0, "".join(told)
    assert runner.tries > 15


def test_the_notebook_runs_from_top_to_bottom(asked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(asked / "docs")
    cells = json.loads((REPOSITORY / "docs/tour.ipynb").read_text(encoding="utf-8"))["cells"]
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [], "save it without outputs"
            exec(compile("".join(cell["source"]), f"tour.ipynb, cell {number}", "exec"), names)
    assert names["workspace"].root.samefile(asked)
