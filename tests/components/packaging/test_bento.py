"""A Bento carries every room that its code reaches, whenever it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from components.packaging import bento
from tests.conftest import REPOSITORY

_ONLY_COMMANDS = {"serving/unlike.py", "serving/client.py"}  # who serves has none of these


def test_what_is_imported_at_any_time_is_carried() -> None:
    carried = {*bento._ROOMS, *(module.removesuffix(".py") for module in bento._MODULES)}
    missing = {
        (path.relative_to(REPOSITORY / "components").as_posix(), module)
        for room in bento._ROOMS
        for path in (REPOSITORY / "components" / room).rglob("*.py")
        for module in imported(ast.parse(path.read_text(encoding="utf-8")).body)
        if module.split(".")[1] not in carried
    }

    assert {each for each in missing if each[0] not in _ONLY_COMMANDS} == set()


def imported(body: Sequence[ast.AST]) -> Iterator[str]:
    """Modules of ours that code imports, within functions too; not those for type checkers alone."""
    for node in body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("components."):
            yield node.module
        for part in ("body", "orelse", "finalbody", "handlers"):
            yield from imported(getattr(node, part, None) or [])
