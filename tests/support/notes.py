"""A reporter for tests."""

from __future__ import annotations


class Notes:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def begin(self, stage: str) -> None: ...

    def progress(self, done: int, total: int, what: str) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def end(self, stage: str, seconds: float) -> None: ...
