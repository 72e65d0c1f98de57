"""A flow run's log, as a stage's reporter."""

from __future__ import annotations

from prefect import get_run_logger

__all__ = ["LoggingReporter"]


class LoggingReporter:
    """A `components.stages.Reporter` that writes to the flow run's log, for runs that no terminal watches."""

    def begin(self, stage: str) -> None:
        """Log the stage's name."""
        get_run_logger().info("%s", stage)

    def progress(self, done: int, total: int, what: str) -> None:
        """Log the end alone: a log is no place for a bar."""
        if done == total > 0:
            get_run_logger().info("%d %s", total, what)

    def note(self, text: str) -> None:
        """Log the line."""
        get_run_logger().info("%s", text)

    def end(self, stage: str, seconds: float) -> None:
        """Log the stage's seconds."""
        get_run_logger().info("%s: %.1f s", stage, seconds)
