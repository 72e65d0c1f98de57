"""How a step of a longer work is run: the shape that callers pass on, and the plain way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

__all__ = ["Runner", "run_plainly"]

T = TypeVar("T")


class Runner(Protocol):
    """Runs a step of a work under the step's name; a flow makes a Prefect task of it."""

    def __call__(self, name: str, step: Callable[[], T], /) -> T:
        """Run `step` once and return what it returns; what it raises is raised."""


def run_plainly(name: str, step: Callable[[], T]) -> T:
    """The `Runner` that calls the step, and does nothing else."""
    return step()
