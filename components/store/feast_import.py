"""Importing Feast in half the time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest import mock

__all__ = ["import_feast"]


def import_feast() -> None:
    """Import Feast without typeguard's checks of its internal calls; does nothing if Feast is loaded already.

    Feast decorates its classes with `typeguard.typechecked`, which parses and recompiles their source at each import:
    7 of 14 seconds of processor time. The checks concern Feast's own arguments, not our data.
    """
    with mock.patch("typeguard.typechecked", _unchecked):
        import feast  # noqa: F401


def _unchecked(target: Any = None, **options: Any) -> Any:
    """`typeguard.typechecked` in both its forms, bare and called with options, changing nothing."""

    def decorate(decorated: Callable[..., Any]) -> Callable[..., Any]:
        return decorated

    return decorate if target is None else target
