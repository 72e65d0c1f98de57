"""Functions fit on a screen and files have one subject, or a reason stands beside them."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

MOST_LINES_OF_A_FUNCTION = 60
MOST_LINES_OF_A_FILE = 400
REASON = "# Over 60 lines: "
LONG_FILES = {
    "benchmarks/base_to_new.py": "one protocol, its methods and its tables, run as one script",
    "flows/dvc.py": "the one file that knows the inside of DVC",
    "tests/journeys/test_serving.py": "its stories share a started Bento; a file's tests run in one process",
}


def sources() -> list[Path]:
    found = [REPOSITORY / "shotline.py"]
    for folder in ("benchmarks", "components", "flows", "tests"):
        found += sorted((REPOSITORY / folder).rglob("*.py"))
    return found


@functools.cache
def findings() -> dict[str, tuple[list[str], list[str]]]:
    """Source file -> its long functions, and what it borrows; parsing hundreds of files once takes seconds."""
    found = {}
    for path in sources():
        text = path.read_text(encoding="utf-8")
        nodes = list(ast.walk(ast.parse(text)))
        found[str(path.relative_to(REPOSITORY))] = (list(long_functions(text, nodes)), list(borrowed(nodes)))
    return found


def long_functions(text: str, nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Functions that are too long and have no reason in the line above them."""
    lines = text.splitlines()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            above = lines[first - 2].strip() if first > 1 else ""
            too_long = node.end_lineno - node.lineno + 1 > MOST_LINES_OF_A_FUNCTION
            if too_long and not (above.startswith(REASON) and len(above) > len(REASON)):
                yield node.name


def test_functions_fit_on_a_screen_or_say_why_not() -> None:
    assert {path: names for path, (names, _) in findings().items() if names} == {}


def test_files_are_short_or_say_why_not() -> None:
    found = {
        str(path.relative_to(REPOSITORY)) for path in sources() if path.read_bytes().count(b"\n") > MOST_LINES_OF_A_FILE
    }
    assert found == set(LONG_FILES)


def borrowed(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Modules of the tests that are imported although they are neither support nor the fixtures that all share."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if node.module != "tests" else [f"tests.{alias.name}" for alias in node.names]
        else:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        yield from (
            name
            for name in names
            if name.split(".")[0] == "tests" and name != "tests.conftest" and not name.startswith("tests.support")
        )


def test_no_test_file_imports_from_another() -> None:
    assert {path: names for path, (_, names) in findings().items() if names} == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from tests.components.a.test_b import c", ["tests.components.a.test_b"]),
        ("import tests.flows.test_b", ["tests.flows.test_b"]),
        ("from tests import components", ["tests.components"]),
        ("def f():\n    from tests.journeys.conftest import Run", ["tests.journeys.conftest"]),
        ("from tests.support.drawn_rows import drawn_task\nfrom tests.conftest import draw_photo", []),
    ],
)
def test_what_a_test_file_borrows_is_seen(text: str, found: list[str]) -> None:
    assert list(borrowed(ast.walk(ast.parse(text)))) == found


@pytest.mark.parametrize(
    ("before", "n_lines", "named"),
    [
        ("", 60, []),
        ("", 61, ["f"]),
        (f"{REASON}one loop.\n", 61, []),
        (f"{REASON}\n", 61, ["f"]),
        ("# long\n", 61, ["f"]),
    ],
)
def test_a_long_function_needs_its_reason_right_above(before: str, n_lines: int, named: list[str]) -> None:
    text = "import x\n\n" + before + "@x\ndef f():\n" + "    x()\n" * (n_lines - 1)
    assert list(long_functions(text, ast.walk(ast.parse(text)))) == named


def test_the_map_of_the_code_names_files_that_are_there() -> None:
    rows = (REPOSITORY / "docs/house.md").read_text(encoding="utf-8").splitlines()
    named = []
    for row in rows:
        if not row.startswith("| ") or row.count("|") != 3:
            continue
        folder = REPOSITORY
        for name in re.findall(r"`([\w/.]+)`", row.split("|")[2]):
            path = REPOSITORY / name if "/" in name else folder / name  # a bare name lies beside the one before it
            folder = path.parent if path.suffix else path
            named.append(path)

    assert len(named) > 50
    assert [path for path in named if not path.exists()] == []
