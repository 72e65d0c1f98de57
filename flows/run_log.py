"""A flow run's log, as a stage's reporter."""

from __future__ import annotations

from prefect import get_run_logger

from components.stages import Reporter

__all__ = ["LoggingReporter", "ToldTwice"]


class LoggingReporter:
    """A `components.stages.Reporter` that writes to the log of the flow run in which it is made, from any thread."""

    def __init__(self) -> None:
        # Asked for here: the threads of a stage have no run to ask for.
        self._log = get_run_logger()

    def begin(self, stage: str) -> None:
        """Log the stage's name."""
        self._log.info("%s", stage)

    def progress(self, done: int, total: int, what: str) -> None:
        """Log the end alone: a log is no place for a bar."""
        if done == total > 0:
            self._log.info("%d %s", total, what)

    def note(self, text: str) -> None:
        """Log the line."""
        self._log.info("%s", text)

    def end(self, stage: str, seconds: float) -> None:
        """Log the stage's seconds."""
        self._log.info("%s: %.1f s", stage, seconds)


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
