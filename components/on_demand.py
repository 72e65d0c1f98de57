"""Rooms whose exports are imported at their first use, so that asking for settings or a list loads no model.

A room's `__init__.py` imports what it exports under `if TYPE_CHECKING:`, where people and type checkers read it, and
calls `on_demand(__name__)`. Python then imports a module when the first of its names is asked for (PEP 562).
"""

from __future__ import annotations

import ast
import importlib
import sys
from types import ModuleType
from typing import Any

__all__ = ["on_demand"]


def on_demand(package: str) -> None:
    """Make the names that `package` imports under `if TYPE_CHECKING:` importable from it, each when it is asked for.

    Args:
        package: `__name__` of the package that calls.
    """
    module = sys.modules[package]
    module.__class__ = _Room
    vars(module)["_sources"] = _sources(module)


class _Room(ModuleType):
    _sources: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        source = vars(self).get("_sources", {}).get(name)
        if source is None:
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        value = getattr(importlib.import_module(source), name)
        vars(self)[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        # Python binds an imported submodule to its name here; an export of the room under that name takes precedence.
        if not (isinstance(value, ModuleType) and name in vars(self).get("_sources", {})):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._sources})


def _sources(module: ModuleType) -> dict[str, str]:
    """Exported name to the module that defines it, as the package's source says."""
    loader: Any = module.__loader__
    found = {}
    for block in ast.parse(loader.get_source(module.__name__)).body:
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            for statement in block.body:
                if isinstance(statement, ast.ImportFrom) and statement.module:
                    found.update({alias.name: statement.module for alias in statement.names})
    return found
