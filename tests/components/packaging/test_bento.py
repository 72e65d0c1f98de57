"""A Bento carries every room that its code reaches, whenever it does."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Sequence

from components.packaging.bento import _REQUIREMENTS
from components.workspace.shipped import SHIPPED_ROOMS, shipped_files
from tests.conftest import REPOSITORY

_ONLY_COMMANDS = {"serving/unlike.py", "serving/client.py"}  # who serves has none of these


def test_what_is_imported_at_any_time_is_carried() -> None:
    carried = {path.parts[1].removesuffix(".py") for path in shipped_files()}
    missing = {
        (path.relative_to(REPOSITORY / "components").as_posix(), module)
        for room in SHIPPED_ROOMS
        for path in (REPOSITORY / "components" / room).rglob("*.py")
        for module in imported(ast.parse(path.read_text(encoding="utf-8")).body)
        if module.split(".")[1] not in carried
    }

    assert {each for each in missing if each[0] not in _ONLY_COMMANDS} == set()


def test_the_extra_serve_is_what_a_bento_asks_for() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert project["optional-dependencies"]["serve"] == list(_REQUIREMENTS)


def imported(body: Sequence[ast.AST]) -> Iterator[str]:
    """Modules of ours that code imports, within functions too; not those for type checkers alone."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("components."):
            yield node.module
        for part in ("body", "orelse", "finalbody", "handlers"):
            yield from imported(getattr(node, part, None) or [])
