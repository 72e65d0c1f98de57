"""A flow run's log, as a stage's reporter; what takes long is seen on the run's page as a progress artifact."""

from __future__ import annotations

import contextvars
import time
from typing import cast
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from components.stages import Reporter
from flows.prefect_server import server_url

__all__ = ["LoggingReporter", "ToldTwice"]

_EVERY_S = 2.0  # a request to the server each time


class LoggingReporter:
    """A `components.stages.Reporter` that writes to the log of the flow run in which it is made, from any thread."""

    def __init__(self) -> None:
        # Asked for here: the threads of a stage have no run to ask for.
        self._log = get_run_logger()
        self._context = contextvars.copy_context()
        self._bar = _Bar("")

    def begin(self, stage: str) -> None:
        """Log the stage's name."""
        self._log.info("%s", stage)
        self._bar = _Bar(stage)

    def progress(self, done: int, total: int, what: str) -> None:
        """Move the stage's progress artifact, where it takes more than seconds; log the end alone."""
        if done == total > 0:
            self._log.info("%d %s", total, what)
        if total > 0 and server_url():
            try:
                self._context.copy().run(self._bar.move, done, total, what)
            except Exception as error:  # noqa: BLE001 (a server that is away stops no training)
                self._log.warning("progress is not shown: %s", error)

    def note(self, text: str) -> None:
        """Log the line."""
        self._log.info("%s", text)

    def end(self, stage: str, seconds: float) -> None:
        """Log the stage's seconds."""
        self._log.info("%s: %.1f s", stage, seconds)


class _Bar:
    """A stage's progress artifact: made once it has taken `_EVERY_S`, moved as often at most, and to its end."""

    def __init__(self, stage: str) -> None:
        self._stage = stage
        self._since = time.monotonic()
        self._artifact: UUID | None = None

    def move(self, done: int, total: int, what: str) -> None:
        now = time.monotonic()
        ends = done >= total and self._artifact is not None
        if now - self._since < _EVERY_S and not ends:
            return
        self._since = now
        percent, told = 100 * done / total, f"{self._stage}: {done:,} of {total:,} {what}"
        if self._artifact is None:
            made = create_progress_artifact(percent, key=f"progress-{self._stage}", description=told)
            self._artifact = cast(UUID, made)  # a coroutine where a loop runs, which none does here
        else:
            update_progress_artifact(self._artifact, percent, description=told)


class ToldTwice:
    """A reporter that hands all that it hears to two others: the terminal and a server's log."""

    def __init__(self, first: Reporter, second: Reporter) -> None:
        self._both = (first, second)

    def begin(self, stage: str) -> None:
        """See `Reporter`."""
        for reporter in self._both:
            reporter.begin(stage)

    def progress(self, done: int, total: int, what: str) -> None:
        """See `Reporter`."""
        for reporter in self._both:
            reporter.progress(done, total, what)

    def note(self, text: str) -> None:
        """See `Reporter`."""
        for reporter in self._both:
            reporter.note(text)

    def end(self, stage: str, seconds: float) -> None:
        """See `Reporter`."""
        for reporter in self._both:
            reporter.end(stage, seconds)
