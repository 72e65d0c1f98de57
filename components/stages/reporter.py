"""The interface by which a stage reports its progress."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Reporter"]


class Reporter(Protocol):
    """Receives a stage's progress; the command line shows it, a flow on a server logs it."""

    def begin(self, stage: str) -> None:
        """The stage has begun."""

    def progress(self, done: int, total: int, what: str) -> None:
        """`done` of `total` items (`what`: photos, views, heads) are done."""

    def note(self, text: str) -> None:
        """One line worth reading."""

    def end(self, stage: str, seconds: float) -> None:
        """The stage has ended without an error."""
