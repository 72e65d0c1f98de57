"""How a stage tells what it is doing, without knowing who listens."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Reporter"]


class Reporter(Protocol):
    """Hears of a stage's progress; the command line shows it, a flow in a server logs it."""

    def begin(self, stage: str) -> None:
        """The stage has begun."""

    def progress(self, done: int, total: int, what: str) -> None:
        """`done` of `total` items (`what`: photos, views, heads) are through."""

    def note(self, text: str) -> None:
        """One line worth reading."""

    def end(self, stage: str, seconds: float) -> None:
        """The stage has ended well."""
