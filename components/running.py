"""How a step of a longer task is run: the type of a runner, and the runner that simply calls the step."""

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
    """The `Runner` that only calls the step."""
    return step()
